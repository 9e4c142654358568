"""Inputs written by hand that AWS takes, of the types that differ most from one another."""

from __future__ import annotations

import json
from typing import Any

ACCOUNT, REGION = "123456789012", "eu-central-1"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/acme-prod-backup"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:acme-prod-critical"
TAGS = {"environment": "prod", "service": "tenantry"}


def policy(**changes: object) -> str:
    """A policy of one statement."""
    statement: dict[str, object] = {
        "Sid": "ReadRegistry",
        "Effect": "Allow",
        "Action": ["s3:GetObject", "s3:ListBucket"],
        "Resource": ["arn:aws:s3:::acme-prod-registry", "arn:aws:s3:::acme-prod-registry/*"],
        "Condition": {"StringEquals": {"aws:ResourceAccount": ACCOUNT}},
    }
    made = {name: value for name, value in {**statement, **changes}.items() if value is not None}
    return json.dumps({"Version": "2012-10-17", "Statement": [made]})


SAMPLES: dict[str, dict[str, Any]] = {
    "aws:backup/plan:Plan": {
        "name": "acme-prod",
        "rules": [
            {
                "ruleName": "daily",
                "schedule": "cron(0 4 * * ? *)",
                "startWindow": 60,
                "completionWindow": 600,
                "targetVaultName": "acme-prod",
                "lifecycle": {"deleteAfter": 35},
                "recoveryPointTags": TAGS,
            }
        ],
        "tagsAll": TAGS,
    },
    "aws:budgets/budget:Budget": {
        "accountId": ACCOUNT,
        "name": "acme-prod",
        "budgetType": "COST",
        "limitAmount": "300.0",
        "limitUnit": "USD",
        "timeUnit": "MONTHLY",
        "timePeriodEnd": "2087-06-15_00:00",
        "notifications": [
            {
                "comparisonOperator": "GREATER_THAN",
                "notificationType": "FORECASTED",
                "threshold": 90,
                "thresholdType": "PERCENTAGE",
                "subscriberSnsTopicArns": [TOPIC],
            }
        ],
    },
    "aws:cloudfront/distribution:Distribution": {
        "aliases": ["cdn.acme.example"],
        "enabled": True,
        "comment": "assets",
        "httpVersion": "http2and3",
        "priceClass": "PriceClass_All",
        "origins": [{"originId": "assets", "domainName": "acme-prod-assets.s3.eu-central-1.amazonaws.com"}],
        "defaultCacheBehavior": {
            "allowedMethods": ["GET", "HEAD"],
            "cachedMethods": ["GET", "HEAD"],
            "targetOriginId": "assets",
            "viewerProtocolPolicy": "redirect-to-https",
        },
        "restrictions": {"geoRestriction": {"restrictionType": "none", "locations": []}},
        "viewerCertificate": {"minimumProtocolVersion": "TLSv1.2_2021", "sslSupportMethod": "sni-only"},
        "tagsAll": TAGS,
    },
    "aws:cloudwatch/logGroup:LogGroup": {
        "name": "/tenantry/prod/jobs",
        "retentionInDays": 365,
        "kmsKeyId": KEY,
        "region": REGION,
        "tags": {"service": "tenantry"},
        "tagsAll": TAGS,
    },
    "aws:cloudwatch/metricAlarm:MetricAlarm": {
        "name": "acme-prod-storage",
        "namespace": "AWS/RDS",
        "metricName": "FreeStorageSpace",
        "dimensions": {"DBInstanceIdentifier": "acme-prod"},
        "statistic": "Minimum",
        "comparisonOperator": "LessThanThreshold",
        "threshold": 20.5,
        "evaluationPeriods": 3,
        "period": 300,
        "treatMissingData": "breaching",
        "alarmActions": [TOPIC],
    },
    "aws:ecs/taskDefinition:TaskDefinition": {
        "family": "acme-prod-export",
        "cpu": "512",
        "memory": "1024",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "ephemeralStorage": {"sizeInGib": 21},
        "taskRoleArn": ROLE,
        "containerDefinitions": json.dumps(
            [
                {
                    "name": "export",
                    "image": "jobs:1",
                    "essential": True,
                    "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/tenantry/prod/jobs"}},
                }
            ]
        ),
    },
    "aws:iam/role:Role": {
        "name": "acme-prod-backup",
        "maxSessionDuration": 3600,
        "assumeRolePolicy": json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": {
                    "Effect": "Allow",
                    "Action": "sts:AssumeRole",
                    "Principal": {"Service": "ecs-tasks.amazonaws.com"},
                },
            }
        ),
    },
    "aws:iam/rolePolicy:RolePolicy": {"name": "backups", "role": "acme-prod-backup", "policy": policy()},
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": {
        "role": "acme-prod-rds",
        "policyArn": "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole",
    },
    "aws:lb/loadBalancer:LoadBalancer": {
        "name": "acme-prod",
        "internal": False,
        "loadBalancerType": "application",
        "subnets": ["subnet-1", "subnet-2"],
        "enableDeletionProtection": True,
        "idleTimeout": 60,
    },
    "aws:rds/instance:Instance": {
        "identifier": "acme-prod-main-1",
        "engine": "postgres",
        "engineVersion": "17",
        "instanceClass": "db.m7g.large",
        "allocatedStorage": 100,
        "backupRetentionPeriod": 30,
        "backupWindow": "01:00-01:30",
        "deleteAutomatedBackups": False,
        "skipFinalSnapshot": False,
        "enabledCloudwatchLogsExports": ["postgresql"],
        "performanceInsightsEnabled": True,
        "kmsKeyId": KEY,
        "region": REGION,
        "tagsAll": TAGS,
    },
    "aws:route53/record:Record": {
        "zoneId": "Z0148261QK3EXAMPLE",
        "name": "cdn.acme.example",
        "type": "A",
        "aliases": [{"name": "d1.cloudfront.net", "zoneId": "Z2FDTNDATAQYW2", "evaluateTargetHealth": False}],
    },
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": {
        "bucket": "acme-prod-audit",
        "rules": [
            {
                "id": "age",
                "status": "Enabled",
                "filter": {"prefix": ""},
                "transitions": [{"days": 90, "storageClass": "GLACIER_IR"}],
            }
        ],
    },
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": {
        "bucket": "acme-prod-audit",
        "rule": {"objectOwnership": "BucketOwnerEnforced"},
    },
    "aws:s3/bucketPolicy:BucketPolicy": {"bucket": "acme-prod-registry", "policy": policy(Principal={"AWS": ROLE})},
    "aws:scheduler/schedule:Schedule": {
        "name": "acme-prod-export",
        "scheduleExpression": "cron(0 2 * * ? *)",
        "flexibleTimeWindow": {"mode": "OFF"},
        "target": {
            "arn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/acme-prod",
            "roleArn": ROLE,
            "ecsParameters": {
                "launchType": "FARGATE",
                "taskDefinitionArn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/acme-prod-export",
                "networkConfiguration": {"assignPublicIp": False, "subnets": ["subnet-1"]},
            },
            "retryPolicy": {"maximumRetryAttempts": 3, "maximumEventAgeInSeconds": 3600},
        },
    },
    "aws:secretsmanager/secret:Secret": {"name": "tenant-acme-credential", "recoveryWindowInDays": 30},
    "aws:sqs/queue:Queue": {"name": "acme-prod-scores", "messageRetentionSeconds": 1209600, "fifoQueue": False},
    "aws:wafv2/webAcl:WebAcl": {
        "name": "acme-prod",
        "scope": "REGIONAL",
        "defaultAction": {"allow": {}},
        "rules": [
            {
                "name": "rate",
                "priority": 0,
                "statement": {"rateBasedStatement": {"limit": 600, "aggregateKeyType": "IP"}},
                "visibilityConfig": {
                    "cloudwatchMetricsEnabled": True,
                    "metricName": "rate",
                    "sampledRequestsEnabled": True,
                },
            }
        ],
        "visibilityConfig": {
            "cloudwatchMetricsEnabled": True,
            "metricName": "acme",
            "sampledRequestsEnabled": True,
        },
    },
}
