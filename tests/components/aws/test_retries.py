"""What AWS says on a first `up` that passes by itself, in the words of its APIs, and what does not."""

from __future__ import annotations

import pytest

from components.guard import _allowed_retries

ARN = "arn:aws:iam::123456789012:role/ledgerly-dev-scheduler"


@pytest.mark.parametrize(
    ("error", "retries"),
    [
        ("The execution role you provide must allow AWS EventBridge Scheduler to assume the role.", 4),
        ("InvalidParameterException: Unable to assume the service linked role. Please verify that it exists.", 4),
        ("InvalidParameter: Unable to assume given IAM role", 4),
        ("InvalidParameterValueException: The role defined for the function cannot be assumed by Lambda.", 4),
        ("Backup: Access denied when attempting to assume role", 4),
        (f'MalformedPolicyDocument: Invalid principal in policy: "AWS":"{ARN}"', 4),
        ("MalformedPolicyDocumentException: Policy contains a statement with one or more invalid principals.", 4),
        ("IAM role ARN value is invalid or does not include the required permissions for: ENHANCED_MONITORING", 4),
        (
            "The specified KMS Key does not exist or is not allowed to be used with Arn 'arn:aws:logs:…'",
            4,
        ),
        ("OperationAborted: A conflicting conditional operation is currently in progress against this resource.", 4),
        ("NoSuchBucket: The specified bucket does not exist", 4),
        ("InsufficientS3BucketPolicyException: Incorrect S3 bucket policy is detected for bucket: audit", 4),
        ("InvalidDBInstanceState: Database instance is not in available state.", 6),
        ("ThrottlingException: Rate exceeded", 4),
        ("AccessDeniedException: User: arn:aws:iam::1:user/x is not authorized to perform: kms:CreateKey", 0),
        ("DBInstanceAlreadyExists: DB instance already exists", 0),
        ("InvalidParameterValue: Invalid DB engine version", 0),
    ],
)
def test_what_passes_by_itself_is_tried_again(error: str, retries: int) -> None:
    assert _allowed_retries([error]) == retries
