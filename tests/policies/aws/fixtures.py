"""One compliant resource of each AWS type that the rules judge, with prod's settings. Wire names, checked inputs."""

import json
from typing import Any

from policies.aws import tokens
from tests.policies.support import UNKNOWN_STRING_VALUE, Props

ACCOUNT = "123456789012"
KEY = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/6f5c"
TASK_ROLE = f"arn:aws:iam::{ACCOUNT}:role/acme-prod-worker"
VERCEL = "oidc.vercel.com/acme"


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(
    action: str | list[str],
    resource: str | list[str] = "arn:aws:s3:::acme-prod-uploads/*",
    **more: Any,  # noqa: ANN401 - JSON
) -> Props:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def tls_only(bucket: str) -> Props:
    return {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def trust(principal: Props, **more: Any) -> str:  # noqa: ANN401 - JSON
    return document({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal, **more})


OIDC_TRUST = trust(
    {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{VERCEL}"},
    Condition={
        "StringEquals": {f"{VERCEL}:aud": "https://vercel.com/acme"},
        "StringLike": {f"{VERCEL}:sub": "owner:acme:project:web:environment:production"},
    },
)
CONTAINERS = json.dumps(
    [
        {
            "name": "export",
            "image": "registry.example/jobs:1",
            "environment": [
                {"name": "TENANTRY_REGISTRY", "value": "acme-prod-registry"},
                {"name": "DATABASE_SECRET_NAME", "value": "tenant-acme-database-url"},
            ],
        },
        {"name": "sidecar", "image": "registry.example/logs:1"},
    ]
)
_NETWORK = {"subnets": ["subnet-1"], "securityGroups": [UNKNOWN_STRING_VALUE], "assignPublicIp": False}
_READER = document(
    {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*", "Principal": {"AWS": TASK_ROLE}}
)
_BEHAVIOUR = {
    "targetOriginId": "uploads",
    "viewerProtocolPolicy": "redirect-to-https",
    "responseHeadersPolicyId": UNKNOWN_STRING_VALUE,
}

COMPLIANT: dict[str, Props] = {
    tokens.RDS_INSTANCE: {
        "identifier": "acme-prod-pool-business-1",
        "engine": "postgres",
        "instanceClass": "db.m7g.large",
        "storageEncrypted": True,
        # Computed in another resource, and so not known in a first preview: it must be enough that it is set.
        "kmsKeyId": UNKNOWN_STRING_VALUE,
        "performanceInsightsEnabled": True,
        "performanceInsightsKmsKeyId": UNKNOWN_STRING_VALUE,
        "manageMasterUserPassword": True,
        "masterUserSecretKmsKeyId": KEY,
        "publiclyAccessible": False,
        "dbSubnetGroupName": "acme-prod",
        "vpcSecurityGroupIds": [UNKNOWN_STRING_VALUE],
        "iamDatabaseAuthenticationEnabled": True,
        "backupRetentionPeriod": 30.0,
        "deleteAutomatedBackups": False,
        "copyTagsToSnapshot": True,
        "skipFinalSnapshot": False,
        "finalSnapshotIdentifier": "acme-prod-pool-business-1-final",
        "enabledCloudwatchLogsExports": ["postgresql", "upgrade"],
        "monitoringInterval": 60.0,
        "deletionProtection": True,
        "parameterGroupName": "acme-prod-pool-business-1",
        "tags": {"backup": "daily"},
    },
    tokens.RDS_CLUSTER: {
        "clusterIdentifier": "acme",
        "storageEncrypted": True,
        "kmsKeyId": KEY,
        "manageMasterUserPassword": True,
        "masterUserSecretKmsKeyId": KEY,
        "dbSubnetGroupName": "acme-prod",
        "vpcSecurityGroupIds": ["sg-1"],
        "iamDatabaseAuthenticationEnabled": True,
        "backupRetentionPeriod": 35.0,
        "deleteAutomatedBackups": False,
        "copyTagsToSnapshot": True,
        "finalSnapshotIdentifier": "acme-final",
    },
    tokens.RDS_CLUSTER_INSTANCE: {
        "clusterIdentifier": "acme",
        "publiclyAccessible": False,
        "performanceInsightsEnabled": True,
        "performanceInsightsKmsKeyId": KEY,
        "monitoringInterval": 60.0,
    },
    tokens.RDS_SNAPSHOT: {"dbInstanceIdentifier": "i", "dbSnapshotIdentifier": "s"},
    tokens.RDS_SNAPSHOT_COPY: {"sourceDbSnapshotIdentifier": "s", "kmsKeyId": KEY, "sharedAccounts": []},
    tokens.RDS_BACKUP_REPLICATION: {
        "sourceDbInstanceArn": f"arn:aws:rds:eu-central-1:{ACCOUNT}:db:acme-prod-pool-business-1",
        "region": "eu-west-1",
        "kmsKeyId": KEY,
        "retentionPeriod": 7.0,
    },
    tokens.S3_BUCKETS[0]: {
        "bucket": "acme-prod-exports",
        "region": "eu-west-1",
        "forceDestroy": False,
        "objectLockEnabled": True,
        "tags": {"role": "exports"},
    },
    tokens.S3_POLICIES[0]: {
        "bucket": "acme-prod-exports",
        "policy": document(
            tls_only("acme-prod-exports"),
            allow(
                "s3:GetObject",
                Principal={"Service": "cloudfront.amazonaws.com"},
                Condition={"ArnLike": {"AWS:SourceArn": f"arn:aws:cloudfront::{ACCOUNT}:distribution/*"}},
            ),
        ),
    },
    tokens.KMS_KEY: {
        "enableKeyRotation": True,
        "deletionWindowInDays": 30.0,
        "policy": document(
            allow("kms:*", "*", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"}),
            allow(
                "kms:Decrypt", "*", Principal={"AWS": "*"}, Condition={"StringEquals": {"kms:CallerAccount": ACCOUNT}}
            ),
        ),
    },
    tokens.KMS_REPLICA_KEY: {"primaryKeyArn": KEY, "enabled": True},
    tokens.SECRET: {
        "name": "tenant-acme-credential",
        "kmsKeyId": UNKNOWN_STRING_VALUE,
        "replicas": [{"region": "eu-west-1", "kmsKeyId": KEY}],
        "recoveryWindowInDays": 7.0,
    },
    tokens.SECRET_POLICY: {"secretArn": UNKNOWN_STRING_VALUE, "policy": _READER, "blockPublicPolicy": True},
    tokens.DISTRIBUTION: {
        "enabled": True,
        "viewerCertificate": {
            "acmCertificateArn": UNKNOWN_STRING_VALUE,
            "minimumProtocolVersion": "TLSv1.2_2021",
            "sslSupportMethod": "sni-only",
        },
        "defaultCacheBehavior": _BEHAVIOUR,
        "orderedCacheBehaviors": [_BEHAVIOUR | {"viewerProtocolPolicy": "https-only"}],
        "origins": [
            {"originId": "uploads", "domainName": UNKNOWN_STRING_VALUE, "originAccessControlId": UNKNOWN_STRING_VALUE},
            {
                "originId": "api",
                "domainName": "api.acme.example",
                "customOriginConfig": {"originProtocolPolicy": "https-only", "originSslProtocols": ["TLSv1.2"]},
            },
        ],
    },
    tokens.BACKUP_VAULT: {"name": "acme-prod", "kmsKeyArn": UNKNOWN_STRING_VALUE},
    tokens.BACKUP_PLAN: {
        "name": "acme-prod",
        "region": "eu-central-1",
        "rules": [
            {
                "ruleName": "daily",
                "targetVaultName": "acme-prod",
                "enableContinuousBackup": True,
                "lifecycle": {"deleteAfter": 35.0},
            },
            {
                "ruleName": "weekly",
                "targetVaultName": "acme-prod",
                "lifecycle": {"deleteAfter": 98.0},
                "copyActions": [
                    {
                        "destinationVaultArn": f"arn:aws:backup:eu-west-1:{ACCOUNT}:backup-vault:acme-prod",
                        "lifecycle": {"deleteAfter": 98.0},
                    }
                ],
            },
        ],
    },
    tokens.SUBNET: {"vpcId": "vpc-1", "cidrBlock": "10.0.0.0/20"},
    tokens.SECURITY_GROUP: {
        "vpcId": "vpc-1",
        "ingress": [{"protocol": "tcp", "fromPort": 8080.0, "toPort": 8080.0, "cidrBlocks": ["10.0.0.0/16"]}],
    },
    tokens.INGRESS_RULE: {
        "securityGroupId": "sg-1",
        "ipProtocol": "tcp",
        "fromPort": 5432.0,
        "toPort": 5432.0,
        "referencedSecurityGroupId": UNKNOWN_STRING_VALUE,
    },
    tokens.SECURITY_GROUP_RULE: {"type": "egress", "protocol": "-1", "cidrBlocks": ["0.0.0.0/0"]},
    tokens.DEFAULT_SECURITY_GROUP: {"vpcId": "vpc-1", "ingress": []},
    tokens.IAM_ROLE: {
        "name": "acme-prod-web",
        "assumeRolePolicy": OIDC_TRUST,
        "managedPolicyArns": ["arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"],
        "inlinePolicies": [{"name": "files", "policy": document(allow("s3:GetObject"))}],
    },
    tokens.IAM_ROLE_POLICY: {
        "role": "acme-prod-worker",
        "policy": document(
            allow(["s3:GetObject", "s3:PutObject"]),
            allow("ecr:GetAuthorizationToken", "*"),
            {"Effect": "Deny", "Action": "*", "Resource": "*"},
        ),
    },
    tokens.IAM_POLICY: {"policy": document(allow("s3:*"))},
    tokens.IAM_ATTACHMENT: {"role": "acme-prod-worker", "policyArn": UNKNOWN_STRING_VALUE},
    tokens.TRAIL: {
        "name": "acme-prod",
        "s3BucketName": "acme-prod-audit",
        "isMultiRegionTrail": True,
        "enableLogFileValidation": True,
        "kmsKeyId": UNKNOWN_STRING_VALUE,
    },
    tokens.LOG_GROUP: {"name": "/acme/jobs", "retentionInDays": 30.0, "kmsKeyId": KEY},
    tokens.ALARM: {"name": "rds-cpu", "treatMissingData": "breaching"},
    tokens.TOPIC: {"name": "alerts", "kmsMasterKeyId": KEY},
    tokens.TOPIC_POLICY: {
        "arn": "arn:aws:sns:eu-central-1:1:alerts",
        "policy": document(
            allow(
                "sns:Publish", "*", Principal={"AWS": "*"}, Condition={"StringEquals": {"aws:SourceAccount": ACCOUNT}}
            )
        ),
    },
    tokens.QUEUE: {"name": "work", "kmsMasterKeyId": "alias/acme-prod-queues"},
    tokens.TASK_DEFINITION: {
        "family": "export",
        "networkMode": "awsvpc",
        "containerDefinitions": CONTAINERS,
        "taskRoleArn": TASK_ROLE,
        "executionRoleArn": UNKNOWN_STRING_VALUE,
    },
    tokens.ECS_SERVICE: {"name": "gateway", "networkConfiguration": _NETWORK},
    tokens.SCHEDULE: {"name": "export", "target": {"ecsParameters": {"networkConfiguration": _NETWORK}}},
    tokens.REPOSITORY: {"name": "jobs", "encryptionConfigurations": [{"encryptionType": "KMS", "kmsKey": KEY}]},
    tokens.LISTENERS[0]: {
        "protocol": "HTTPS",
        "sslPolicy": "ELBSecurityPolicy-TLS13-1-2-2021-06",
        "defaultActions": [{"type": "forward"}],
    },
    tokens.LISTENERS[1]: {
        "protocol": "HTTP",
        "defaultActions": [{"type": "redirect", "redirect": {"protocol": "HTTPS", "statusCode": "HTTP_301"}}],
    },
}
PROTECTED = frozenset({tokens.KMS_KEY, tokens.KMS_REPLICA_KEY})
"""Types whose rules look at the protect option."""
