"""The audit trail: what it records, where to, and who else may write there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.aws.audit import (
    archive_key_statements,
    log_retention,
    trail_arn,
    trail_key_statements,
    trail_statements,
)
from sandbox.mocks import SandboxMocks
from tests.components.aws.stack import ACCOUNT, AWAY, HOME, build, built, plan

TRAIL = "aws:cloudtrail/trail:Trail"
GROUP = "aws:cloudwatch/logGroup:LogGroup"
ARN = f"arn:aws:cloudtrail:{HOME}:{ACCOUNT}:trail/ledgerly-prod"


@pytest.fixture(scope="module")
def stack() -> SandboxMocks:
    return built()


def statements(policy: str) -> dict[str, dict[str, Any]]:
    return {item["Sid"]: item for item in json.loads(policy)["Statement"]}


def key_name(mocks: SandboxMocks, arn: str) -> str:
    """Pulumi name of the key with an ARN."""
    return next(item.name for item in mocks.of("aws:kms/key:Key") if item.outputs["arn"] == arn)


class TestTrail:
    def test_records_everything_everywhere_and_proves_it(self, stack: SandboxMocks) -> None:
        trail = stack.one(TRAIL)
        for switch in (
            "isMultiRegionTrail", "includeGlobalServiceEvents", "enableLogFileValidation", "enableLogging",
        ):  # fmt: skip
            assert trail.inputs[switch] is True, switch
        assert trail.inputs["name"] == "ledgerly-prod"
        assert trail.inputs["s3BucketName"] == "ledgerly-prod-audit"
        # a trail's key is in the region of its bucket
        assert key_name(stack, trail.inputs["kmsKeyId"]) == f"key-logs-{AWAY}"
        assert stack.one("aws:s3/bucket:Bucket", "audit").inputs["region"] == AWAY
        assert trail.protect is True
        assert ("before_delete", "tenantry-refuse-delete") in trail.hooks

    def test_waits_for_all_settings_of_its_bucket(self, stack: SandboxMocks) -> None:
        waited = {urn.rpartition("::")[2] for urn in stack.one(TRAIL).dependencies}
        assert waited >= {
            "audit", "audit-policy", "audit-lock", "audit-encryption", "trail-logs", "trail-role-logs",
        }  # fmt: skip

    def test_objects_of_the_environment_but_no_delivery_of_its_own(self, stack: SandboxMocks) -> None:
        found = {item["name"]: item["fieldSelectors"] for item in stack.one(TRAIL).inputs["advancedEventSelectors"]}
        objects = [
            {"field": "eventCategory", "equals": ["Data"]},
            {"field": "resources.type", "equals": ["AWS::S3::Object"]},
        ]
        assert found == {
            "Management events": [{"field": "eventCategory", "equals": ["Management"]}],
            "Objects of the environment": [
                *objects,
                {
                    "field": "resources.ARN",
                    "startsWiths": ["arn:aws:s3:::ledgerly-prod-"],
                    "notStartsWiths": ["arn:aws:s3:::ledgerly-prod-audit/"],
                },
            ],
            "Reads of the audit archive": [
                *objects,
                {"field": "resources.ARN", "startsWiths": ["arn:aws:s3:::ledgerly-prod-audit/"]},
                {"field": "readOnly", "equals": ["true"]},
            ],
        }

    def test_the_log_group_keeps_as_long_as_the_archive(self, stack: SandboxMocks) -> None:
        group = stack.one(GROUP, "trail-logs")
        assert group.inputs["name"] == "/tenantry/prod/trail"
        assert group.inputs["retentionInDays"] == 365
        assert key_name(stack, group.inputs["kmsKeyId"]) == f"key-logs-{HOME}"
        arn = f"arn:aws:logs:{HOME}:{ACCOUNT}:log-group:/tenantry/prod/trail:*"
        assert stack.one(TRAIL).inputs["cloudWatchLogsGroupArn"] == arn

    def test_its_role_writes_its_own_streams_only(self, stack: SandboxMocks) -> None:
        trust = json.loads(stack.one("aws:iam/role:Role", "trail-role").inputs["assumeRolePolicy"])["Statement"][0]
        # with any condition CloudTrail cannot take it: it names no source
        assert trust == {
            "Action": "sts:AssumeRole", "Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"},
        }  # fmt: skip
        (right,) = json.loads(stack.one("aws:iam/rolePolicy:RolePolicy", "trail-role-logs").inputs["policy"])[
            "Statement"
        ]
        assert right["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
        assert right["Resource"] == (
            f"arn:aws:logs:{HOME}:{ACCOUNT}:log-group:/tenantry/prod/trail:log-stream:{ACCOUNT}_CloudTrail_{HOME}*"
        )

    def test_seven_years_under_sox(self) -> None:
        sox = build(lambda raw: raw["environment"].update(sox=True))
        assert sox.one(GROUP, "trail-logs").inputs["retentionInDays"] == 2557


class TestGrants:
    def test_the_bucket_lets_in_this_one_trail(self, stack: SandboxMocks) -> None:
        found = statements(stack.one("aws:s3/bucketPolicy:BucketPolicy", "audit-policy").inputs["policy"])
        wanted = {item["Sid"]: item for item in trail_statements(plan().environment)}
        assert {sid: found[sid] for sid in wanted} == wanted
        assert wanted["TrailWrites"]["Resource"] == f"arn:aws:s3:::ledgerly-prod-audit/AWSLogs/{ACCOUNT}/*"
        assert wanted["TrailWrites"]["Condition"]["StringEquals"]["aws:SourceArn"] == ARN
        assert wanted["TrailReadsAcl"]["Condition"] == {"StringEquals": {"aws:SourceArn": ARN}}
        assert trail_arn(plan().environment) == ARN

    def test_the_key_lets_in_this_one_trail(self, stack: SandboxMocks) -> None:
        policies = {item.name: item.inputs["policy"] for item in stack.of("aws:kms/key:Key")}
        wanted = {item["Sid"]: item for item in trail_key_statements(plan().environment)}
        assert set(wanted) == {"TrailEncrypts", "TrailDescribesKey"}
        assert wanted["TrailEncrypts"]["Condition"]["StringEquals"] == {
            "aws:SourceArn": ARN,
            "kms:EncryptionContext:aws:cloudtrail:arn": ARN,
        }
        assert wanted["TrailDescribesKey"]["Action"] == ["kms:Decrypt", "kms:DescribeKey"]
        found = statements(policies[f"key-logs-{AWAY}"])
        assert {sid: found[sid] for sid in wanted} == wanted
        (archive,) = archive_key_statements(plan().environment)
        # the bucket's own key: it has a bucket key, which CloudTrail asks for whatever the trail's key is
        assert statements(policies[f"key-storage-{AWAY}"])["TrailArchive"] == archive
        assert archive["Action"] == ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey*"]
        assert archive["Condition"] == {"StringEquals": {"aws:SourceArn": ARN}}
        assert {name for name, policy in policies.items() if "Trail" in policy} == {
            f"key-logs-{AWAY}", f"key-storage-{AWAY}",
        }  # fmt: skip


@pytest.mark.parametrize(("days", "kept"), [(1, 1), (30, 30), (31, 60), (365, 365), (366, 400), (2555, 2557)])
def test_retention_of_a_log_group_is_never_shorter(days: int, kept: int) -> None:
    assert log_retention(days) == kept


def test_a_retention_that_no_log_group_has() -> None:
    with pytest.raises(ValueError, match="at most 3653 days, not 3654"):
        log_retention(3654)
