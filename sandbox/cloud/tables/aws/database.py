"""Databases and backups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sandbox.cloud.rules import Parent, Rule
from sandbox.cloud.tables.aws.common import MANAGED, TOPIC, VAULT, groups_used, regional_rule, role_used, subnets_used
from sandbox.cloud.values import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.cloud.rules import Synthesis
    from sandbox.cloud.values import Value

INSTANCE: Final = "aws:rds/instance:Instance"
SUBNET_GROUP: Final = "aws:rds/subnetGroup:SubnetGroup"
PARAMETER_GROUP: Final = "aws:rds/parameterGroup:ParameterGroup"
PLAN: Final = "aws:backup/plan:Plan"
TESTING_PLAN: Final = "aws:backup/restoreTestingPlan:RestoreTestingPlan"
_PORTS: Final = {"postgres": 5432, "mysql": 3306, "mariadb": 3306}
_IN_VAULT: Final = Parent(VAULT, "{backupVaultName}@{region}")
_VAULT_ARN: Final = "arn:aws:backup:{region}:{account}:backup-vault:{backupVaultName}"


def _address(made: Synthesis) -> str:
    return f"{made.outputs['identifier']}.c{made.hex(11, 'cell')}.{made.region}.rds.amazonaws.com"


def _port(made: Synthesis) -> int:
    return int(made.inputs.get("port") or _PORTS.get(str(made.inputs.get("engine")), 5432))


def _master_secret(made: Synthesis) -> list[dict[str, str]]:
    if not made.inputs.get("manageMasterUserPassword"):
        return []
    name = f"rds!db-{made.uuid('master')}-{made.hex(6, 'master')}"
    return [
        {
            "kmsKeyId": str(made.inputs.get("masterUserSecretKmsKeyId") or "alias/aws/secretsmanager"),
            "secretArn": f"arn:aws:secretsmanager:{made.region}:{made.account}:secret:{name}",
            "secretStatus": "active",
        }
    ]


def _engine_version(made: Synthesis) -> str:
    """The full version behind a major one: AWS picks the minor."""
    version = str(made.outputs.get("engineVersion") or "17.6")
    return version if "." in version else f"{version}.6"


def _is_smaller(old: Value, new: Value) -> bool:
    return isinstance(old, int) and isinstance(new, int) and new < old


def _is_other_key(old: Value, new: Value) -> bool:
    """A key that appears in the plan is a change only when it is not the one that AWS has chosen."""
    return new is UNKNOWN or (bool(new) and old != new)


RULES: Final[Mapping[str, Rule]] = {
    INSTANCE: regional_rule(
        "availabilityZone",
        "backupTarget",
        "characterSetName",
        "dbName",
        "engine",
        "engineLifecycleSupport",
        "identifierPrefix",
        "ncharCharacterSetName",
        "restoreToPointInTime",
        "s3Import",
        "snapshotIdentifier",
        "storageEncrypted",
        "timezone",
        "username",
        replace_when={"kmsKeyId": _is_other_key},
        check_defaults={
            "autoMinorVersionUpgrade": True,
            "copyTagsToSnapshot": False,
            "dedicatedLogVolume": False,
            "deleteAutomatedBackups": True,
            "monitoringInterval": 0,
            "performanceInsightsEnabled": False,
            "publiclyAccessible": False,
            "skipFinalSnapshot": False,
        },
        server_defaults={
            "allocatedStorage": 20,
            "backupRetentionPeriod": 0,
            "backupTarget": "region",
            "backupWindow": "03:00-03:30",
            "caCertIdentifier": "rds-ca-rsa2048-g1",
            "databaseInsightsMode": "standard",
            "engineLifecycleSupport": "open-source-rds-extended-support",
            "licenseModel": "postgresql-license",
            "maintenanceWindow": "sun:04:00-sun:04:30",
            "multiAz": False,
            "networkType": "IPV4",
            "optionGroupName": "default:postgres-17",
            "storageEncrypted": False,
            "storageType": "gp3",
            "username": "postgres",
            "vpcSecurityGroupIds": [],
        },
        unordered=("enabledCloudwatchLogsExports", "vpcSecurityGroupIds"),
        id_from=lambda made: f"db-{made.hex(26).upper()}",
        unique="{identifier}",
        exists_code="DBInstanceAlreadyExists",
        computed={
            "identifier": lambda made: f"terraform-{made.hex(26, 'identifier')}",
            "address": _address,
            "arn": lambda made: f"arn:aws:rds:{made.region}:{made.account}:db:{made.outputs['identifier']}",
            "availabilityZone": "{region}a",
            "endpoint": lambda made: f"{_address(made)}:{_port(made)}",
            "engineVersion": _engine_version,
            "engineVersionActual": _engine_version,
            "hostedZoneId": lambda made: f"Z{made.hex(13, 'zone').upper()}",
            "kmsKeyId": lambda made: (
                f"arn:aws:kms:{made.region}:{made.account}:key/{made.uuid('aws/rds')}"
                if made.inputs.get("storageEncrypted")
                else ""
            ),
            "masterUserSecrets": _master_secret,
            "port": _port,
            "resourceId": "{id}",
            "status": lambda _made: "available",
        },
        recomputed=("engineVersionActual", "masterUserSecrets"),
        virtual={
            "allowMajorVersionUpgrade": None,
            "applyImmediately": None,
            "deleteAutomatedBackups": True,
            "finalSnapshotIdentifier": None,
            "password": None,
            "passwordWo": None,
            "passwordWoVersion": None,
            "skipFinalSnapshot": False,
        },
        secret_outputs=("password", "passwordWo"),
        parents=(
            Parent(SUBNET_GROUP, "{dbSubnetGroupName}@{region}", "block"),
            Parent(PARAMETER_GROUP, "{parameterGroupName}@{region}", "block", pattern=r"^(?!default\.)"),
            groups_used("vpcSecurityGroupIds"),
            role_used("monitoringRoleArn"),
        ),
    ),
    "aws:rds/eventSubscription:EventSubscription": regional_rule(
        "name",
        "namePrefix",
        regional=True,
        check_defaults={"enabled": True},
        unordered=("eventCategories", "sourceIds"),
        exists_code="SubscriptionAlreadyExist",
        computed={"arn": "arn:aws:rds:{region}:{account}:es:{name}", "customerAwsId": "{account}"},
        parents=(Parent(TOPIC, "{snsTopic}", "ignore"),),
    ),
    SUBNET_GROUP: regional_rule(
        "name",
        "namePrefix",
        regional=True,
        check_defaults={"description": MANAGED},
        unordered=("subnetIds",),
        exists_code="DBSubnetGroupAlreadyExists",
        computed={
            "arn": "arn:aws:rds:{region}:{account}:subgrp:{name}",
            "supportedNetworkTypes": lambda _made: ["IPV4"],
            "vpcId": lambda made: f"vpc-{made.hex(17, 'vpc')}",
        },
        parents=(subnets_used("subnetIds"),),
    ),
    PARAMETER_GROUP: regional_rule(
        "description",
        "family",
        "name",
        "namePrefix",
        regional=True,
        check_defaults={
            "description": MANAGED,
            "parameters.applyMethod": "immediate",
            "skipDestroy": False,
        },
        unordered=("parameters",),
        exists_code="DBParameterGroupAlreadyExists",
        computed={"arn": "arn:aws:rds:{region}:{account}:pg:{name}"},
        virtual={"skipDestroy": False},
    ),
    "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication": regional_rule(
        "kmsKeyId",
        "preSignedUrl",
        "retentionPeriod",
        "sourceDbInstanceArn",
        check_defaults={"retentionPeriod": 7},
        id_from=lambda made: f"arn:aws:rds:{made.region}:{made.account}:auto-backup:ab-{made.hex(39)}",
        unique="{sourceDbInstanceArn}",
        exists_code="DBInstanceAutomatedBackupAlreadyExists",
        virtual={"preSignedUrl": None},
    ),
    # --- backups ---------------------------------------------------------------------------------------------------
    VAULT: regional_rule(
        "kmsKeyArn",
        "name",
        regional=True,
        check_defaults={"forceDestroy": False},
        exists_code="AlreadyExistsException",
        computed={
            "arn": "arn:aws:backup:{region}:{account}:backup-vault:{name}",
            "kmsKeyArn": lambda made: f"arn:aws:kms:{made.region}:{made.account}:key/{made.uuid('aws/backup')}",
            "recoveryPoints": lambda _made: 0,
        },
        virtual={"forceDestroy": False},
    ),
    "aws:backup/vaultLockConfiguration:VaultLockConfiguration": regional_rule(
        "backupVaultName",
        "changeableForDays",
        "maxRetentionDays",
        "minRetentionDays",
        regional=True,
        computed={"backupVaultArn": _VAULT_ARN},
        virtual={"changeableForDays": None},
        on_exists="adopt",
        parents=(_IN_VAULT,),
    ),
    "aws:backup/vaultPolicy:VaultPolicy": regional_rule(
        "backupVaultName",
        regional=True,
        json_text=("policy",),
        computed={"backupVaultArn": _VAULT_ARN},
        on_exists="adopt",
        parents=(_IN_VAULT,),
    ),
    "aws:backup/vaultNotifications:VaultNotifications": regional_rule(
        "backupVaultEvents",
        "backupVaultName",
        "snsTopicArn",
        regional=True,
        unordered=("backupVaultEvents",),
        computed={"backupVaultArn": _VAULT_ARN},
        on_exists="adopt",
        parents=(_IN_VAULT, Parent(TOPIC, "{snsTopicArn}", "ignore")),
    ),
    PLAN: regional_rule(
        "name",
        check_defaults={
            "rules.completionWindow": 180,
            "rules.scheduleExpressionTimezone": "Etc/UTC",
            "rules.startWindow": 60,
        },
        unordered=("advancedBackupSettings", "rules"),
        id_from=lambda made: made.uuid(),
        computed={
            "arn": "arn:aws:backup:{region}:{account}:backup-plan:{id}",
            "version": lambda made: made.hex(48, f"version/{made.now}"),
        },
        recomputed=("version",),
        parents=(Parent(VAULT, "{each}@{region}", "ignore", each="rules.targetVaultName"),),
    ),
    "aws:backup/selection:Selection": regional_rule(
        "conditions",
        "iamRoleArn",
        "name",
        "notResources",
        "planId",
        "resources",
        "selectionTags",
        unordered=("conditions", "notResources", "resources", "selectionTags"),
        id_from=lambda made: made.uuid(),
        unique="{planId} {name}",
        exists_code="AlreadyExistsException",
        parents=(Parent(PLAN, "{planId}", "block"), role_used("iamRoleArn")),
    ),
    TESTING_PLAN: regional_rule(
        "name",
        regional=True,
        exists_code="AlreadyExistsException",
        server_defaults={"scheduleExpressionTimezone": "Etc/UTC", "startWindowHours": 24},
        computed={"arn": lambda made: f"arn:aws:backup:{made.region}:{made.account}:restore-testing-plan:{made.id}"},
    ),
    "aws:backup/restoreTestingSelection:RestoreTestingSelection": regional_rule(
        "name",
        "protectedResourceType",
        "restoreTestingPlanName",
        regional=True,
        exists_code="AlreadyExistsException",
        unordered=("protectedResourceArns",),
        server_defaults={"validationWindowHours": 0},
        parents=(Parent(TESTING_PLAN, "{restoreTestingPlanName}@{region}", "block"), role_used("iamRoleArn")),
    ),
}
