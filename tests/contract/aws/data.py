"""Rows for what holds data and what guards it: databases, buckets, keys, secrets, backups."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from tests.contract.aws.tables import Call
from tests.contract.forms import At, Outside

_BYTES = Outside("the object's bytes: the model has them as a blob")

DATA: Mapping[str, Call] = {
    "aws:backup/plan:Plan": Call(
        "backup",
        "CreateBackupPlan",
        "backupPlan",
        {
            "name": At("backupPlanName"),
            "rules[].completionWindow": At("completionWindowMinutes"),
            "rules[].startWindow": At("startWindowMinutes"),
            "rules[].schedule": At("scheduleExpression"),
            "rules[].targetVaultName": At("targetBackupVaultName"),
            "rules[].lifecycle.deleteAfter": At("deleteAfterDays"),
            "rules[].copyActions[].destinationVaultArn": At("destinationBackupVaultArn"),
            "rules[].copyActions[].lifecycle.deleteAfter": At("deleteAfterDays"),
        },
        tags="^backupPlanTags",
    ),
    "aws:backup/restoreTestingPlan:RestoreTestingPlan": Call(
        "backup", "CreateRestoreTestingPlan", "restoreTestingPlan", {"name": At("restoreTestingPlanName")}
    ),
    "aws:backup/restoreTestingSelection:RestoreTestingSelection": Call(
        "backup",
        "CreateRestoreTestingSelection",
        "restoreTestingSelection",
        {
            "name": At("restoreTestingSelectionName"),
            "protectedResourceType": At("protectedResourceType", worded="protectedResourceType"),
        },
        tags="",
    ),
    "aws:backup/selection:Selection": Call(
        "backup",
        "CreateBackupSelection",
        "backupSelection",
        {"name": At("selectionName"), "planId": At("^backupPlanId")},
        tags="",
    ),
    "aws:backup/vault:Vault": Call(
        "backup",
        "CreateBackupVault",
        differences={"name": At("backupVaultName"), "kmsKeyArn": At("encryptionKeyArn")},
        tags="^backupVaultTags",
    ),
    "aws:backup/vaultLockConfiguration:VaultLockConfiguration": Call(
        "backup", "PutBackupVaultLockConfiguration", tags=""
    ),
    "aws:backup/vaultPolicy:VaultPolicy": Call("backup", "PutBackupVaultAccessPolicy", tags=""),
    "aws:kms/alias:Alias": Call("kms", "CreateAlias", differences={"name": At("aliasName")}, tags=""),
    "aws:kms/key:Key": Call(
        "kms",
        "CreateKey",
        differences={
            "customerMasterKeySpec": At("keySpec"),
            "deletionWindowInDays": At("ScheduleKeyDeletion:pendingWindowInDays"),
            "rotationPeriodInDays": At("EnableKeyRotation:rotationPeriodInDays"),
            "enableKeyRotation": Outside("the API has a call for each of its values, without a property"),
            "isEnabled": Outside("the API has a call for each of its values, without a property"),
        },
    ),
    "aws:rds/eventSubscription:EventSubscription": Call(
        "rds",
        "CreateEventSubscription",
        differences={
            "name": At("subscriptionName"),
            "snsTopic": At("snsTopicArn"),
            "sourceType": At("sourceType", worded="sourceType"),
        },
    ),
    "aws:rds/instance:Instance": Call(
        "rds",
        "CreateDBInstance",
        differences={
            "identifier": At("dbInstanceIdentifier"),
            "instanceClass": At("dbInstanceClass"),
            "username": At("masterUsername"),
            "backupWindow": At("preferredBackupWindow"),
            "maintenanceWindow": At("preferredMaintenanceWindow"),
            "caCertIdentifier": At("caCertificateIdentifier"),
            "parameterGroupName": At("dbParameterGroupName"),
            "performanceInsightsEnabled": At("enablePerformanceInsights"),
            "enabledCloudwatchLogsExports": At("enableCloudwatchLogsExports", worded="enableCloudwatchLogsExports"),
            "monitoringInterval": At("monitoringInterval", worded="monitoringInterval"),
            "networkType": At("networkType", worded="networkType"),
            "storageType": At("storageType", worded="storageType"),
            "iamDatabaseAuthenticationEnabled": At("enableIamDatabaseAuthentication"),
            "allowMajorVersionUpgrade": At("ModifyDBInstance:allowMajorVersionUpgrade"),
            "applyImmediately": At("ModifyDBInstance:applyImmediately"),
            "deleteAutomatedBackups": At("DeleteDBInstance:deleteAutomatedBackups"),
            "finalSnapshotIdentifier": At("DeleteDBInstance:finalDBSnapshotIdentifier"),
            "skipFinalSnapshot": At("DeleteDBInstance:skipFinalSnapshot"),
        },
    ),
    "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication": Call(
        "rds",
        "StartDBInstanceAutomatedBackupsReplication",
        differences={"retentionPeriod": At("backupRetentionPeriod")},
        tags="",
    ),
    "aws:rds/parameterGroup:ParameterGroup": Call(
        "rds",
        "CreateDBParameterGroup",
        differences={
            "name": At("dbParameterGroupName"),
            "family": At("dbParameterGroupFamily"),
            "parameters": At("ModifyDBParameterGroup:parameters"),
            "parameters[].name": At("parameterName"),
            "parameters[].value": At("parameterValue"),
        },
    ),
    "aws:rds/subnetGroup:SubnetGroup": Call(
        "rds",
        "CreateDBSubnetGroup",
        differences={"name": At("dbSubnetGroupName"), "description": At("dbSubnetGroupDescription")},
    ),
    "aws:s3/accountPublicAccessBlock:AccountPublicAccessBlock": Call(
        "s3control", "PutPublicAccessBlock", "publicAccessBlockConfiguration", tags=""
    ),
    "aws:s3/bucket:Bucket": Call(
        "s3",
        "CreateBucket",
        differences={"objectLockEnabled": At("objectLockEnabledForBucket")},
        tags="PutBucketTagging:tagging.tagSet",
    ),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": Call(
        "s3", "PutBucketLifecycleConfiguration", "lifecycleConfiguration", tags=""
    ),
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": Call(
        "s3", "PutObjectLockConfiguration", "objectLockConfiguration", tags=""
    ),
    "aws:s3/bucketObjectv2:BucketObjectv2": Call(
        "s3",
        "PutObject",
        differences={
            "content": _BYTES,
            # One text, written as a query.
            "tagsAll": At("tagging", via=urlencode),
        },
        tags="",
    ),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": Call(
        "s3", "PutBucketOwnershipControls", "ownershipControls", {"rule": At("rules.[]")}, tags=""
    ),
    "aws:s3/bucketPolicy:BucketPolicy": Call("s3", "PutBucketPolicy", tags=""),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": Call(
        "s3", "PutPublicAccessBlock", "publicAccessBlockConfiguration", tags=""
    ),
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": Call(
        "s3", "PutBucketReplication", "replicationConfiguration", tags=""
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": Call(
        "s3", "PutBucketEncryption", "serverSideEncryptionConfiguration", tags=""
    ),
    "aws:s3/bucketVersioning:BucketVersioning": Call("s3", "PutBucketVersioning", tags=""),
    "aws:secretsmanager/secret:Secret": Call(
        "secretsmanager",
        "CreateSecret",
        differences={
            "recoveryWindowInDays": At("DeleteSecret:recoveryWindowInDays"),
            "replicas": At("addReplicaRegions"),
        },
    ),
    "aws:secretsmanager/secretPolicy:SecretPolicy": Call(
        "secretsmanager",
        "PutResourcePolicy",
        differences={"secretArn": At("secretId"), "policy": At("resourcePolicy")},
        tags="",
    ),
    "aws:secretsmanager/secretVersion:SecretVersion": Call("secretsmanager", "PutSecretValue", tags=""),
}
