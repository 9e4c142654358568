"""What AWS refuses because of something elsewhere in the account: the mistakes of a first `up`, and of a last one.

Each check mirrors an answer of the real API or of the provider. What is referred to in another account is taken on
trust, and so is what a policy document grants, beyond naming the service that needs it.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Final

from sandbox.cloud.checks_gcp import parent_keys
from sandbox.cloud.errors import AwsError, ProviderError
from sandbox.cloud.object_lock import COMPLIANCE, CONFIGURATION, Lock, lock_of
from sandbox.cloud.tables import rule_for
from sandbox.cloud.tables.aws.common import BUCKET, KEY, OBJECT, ROLE, SECURITY_GROUP, SUBNET, VAULT, VPC
from sandbox.cloud.tables.aws.compute import CLUSTER
from sandbox.cloud.tables.aws.database import INSTANCE, PARAMETER_GROUP, PLAN, SUBNET_GROUP
from sandbox.cloud.tables.aws.edge import (
    ACCESS_CONTROL,
    BALANCER,
    CERTIFICATE,
    DISTRIBUTION,
    HEADERS_POLICY,
    LISTENER,
    TARGETS,
    WEB_ACL,
)
from sandbox.cloud.tables.aws.identity import SECRET
from sandbox.cloud.tables.aws.network import EIP, TABLE
from sandbox.cloud.tables.aws.observability import EVENT_RULE, LOG_GROUP, TRAIL
from sandbox.cloud.values import get_path, values_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sandbox.cloud.rules import World
    from sandbox.cloud.store import CloudObject, Store
    from sandbox.cloud.values import Props

ALIAS: Final = "aws:kms/alias:Alias"
VERSIONING: Final = "aws:s3/bucketVersioning:BucketVersioning"
ENCRYPTION: Final = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
REPLICATION: Final = "aws:s3/bucketReplicationConfig:BucketReplicationConfig"
BUCKET_POLICY: Final = "aws:s3/bucketPolicy:BucketPolicy"
BACKUP_REPLICATION: Final = "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication"
VALIDATION: Final = "aws:acm/certificateValidation:CertificateValidation"
VAULT_LOCK: Final = "aws:backup/vaultLockConfiguration:VaultLockConfiguration"
SNAPSHOT: Final = "aws:rds/snapshot:Snapshot"
"""Only the names of final snapshots are kept: they outlive their instances."""
EDGE_REGION: Final = "us-east-1"
"""Where CloudFront looks for certificates and for its firewall."""
_MOST_BACKUP_DAYS: Final = 35
_IDENTIFIER: Final = re.compile(r"[a-z](?:-?[a-z0-9])*")


def check_create(world: World) -> None:
    """Everything outside the resource that its creation depends on.

    Raises:
        CloudError: as the API would answer.
        ProviderError: the provider itself refuses.
    """
    _check_both(world)
    check = _ON_CREATE.get(world.token)
    if check is not None:
        check(world)


def check_update(world: World, before: Props) -> None:
    _check_both(world)
    if world.token == INSTANCE:
        _check_instance_change(world, before)


def _check_both(world: World) -> None:
    _check_keys(world)
    _check_bucket_region(world)
    check = _ON_CREATE_AND_UPDATE.get(world.token)
    if check is not None:
        check(world)


# --- encryption ------------------------------------------------------------------------------------------------------

_KEY_PATHS: Final[Mapping[str, tuple[str, ...]]] = {
    INSTANCE: ("kmsKeyId", "masterUserSecretKmsKeyId", "performanceInsightsKmsKeyId"),
    BACKUP_REPLICATION: ("kmsKeyId",),
    ENCRYPTION: ("rules.applyServerSideEncryptionByDefault.kmsMasterKeyId",),
    OBJECT: ("kmsKeyId",),
    SECRET: ("kmsKeyId",),
    VAULT: ("kmsKeyArn",),
    LOG_GROUP: ("kmsKeyId",),
    TRAIL: ("kmsKeyId",),
    CLUSTER: ("configuration.executeCommandConfiguration.kmsKeyId",),
    "aws:scheduler/schedule:Schedule": ("kmsKeyArn",),
    "aws:sns/topic:Topic": ("kmsMasterKeyId",),
    "aws:sqs/queue:Queue": ("kmsMasterKeyId",),
}


def _check_keys(world: World) -> None:
    for path in _KEY_PATHS.get(world.token, ()):
        for reference in values_at(world.inputs, path):
            _find_key(world, str(reference), _key_region(world))


def _key_region(world: World) -> str:
    """Where the key has to be: with the resource, and a trail's with the bucket that it fills (CreateTrail)."""
    bucket = world.store.get(BUCKET, str(world.value("s3BucketName"))) if world.token == TRAIL else None
    return world.region if bucket is None else str(bucket.outputs.get("region"))


def _find_key(world: World, reference: str, region: str) -> CloudObject | None:
    """The key behind an id, an ARN or an alias; None for one that AWS or another account owns.

    Raises:
        AwsError: it does not exist, is elsewhere, or waits for its deletion.
    """
    name = reference
    if reference.startswith("arn:"):
        _, _, _, where, account, name = reference.split(":", 5)
        if account != world.config.account:
            return None
        if where != region:
            raise AwsError(
                400,
                f"The key {reference} is in {where}, but {world.id} is in {region}: they must be the same",
                "KMSKeyNotAccessibleFault",
            )
    if name.startswith("alias/aws/"):
        return None
    if name.startswith("alias/"):
        alias = world.store.get(ALIAS, f"{name}@{region}")
        if alias is None:
            raise AwsError(400, f"Alias {reference} is not found.", "NotFoundException")
        return _find_key(world, str(alias.outputs["targetKeyArn"]), region)
    key_id = name.rsplit("/", 1)[-1]
    found = world.store.get(KEY, key_id)
    arn = f"arn:aws:kms:{region}:{world.config.account}:key/{key_id}"
    if found is None:
        pending = world.store.reservation(KEY, arn, world.clock.text())
        if pending is not None:
            raise AwsError(400, pending, "KMSInvalidStateException")
        raise AwsError(400, f"Key '{arn}' does not exist", "NotFoundException")
    return found


def _need_key_policy(world: World, path: str, service: str, code: str, message: str) -> None:
    """The key's policy must name the service that is to use it."""
    reference = world.value(path)
    key = _find_key(world, str(reference), _key_region(world)) if reference else None
    if key is not None and service not in str(key.outputs.get("policy")):
        raise AwsError(400, message, code)


def _check_log_group(world: World) -> None:
    arn = f"arn:aws:logs:{world.region}:{world.config.account}:log-group:{world.value('name')}"
    message = f"The specified KMS key does not exist or is not allowed to be used with Arn '{arn}'"
    _need_key_policy(world, "kmsKeyId", f"logs.{world.region}.amazonaws.com", "AccessDeniedException", message)


def _check_trail(world: World) -> None:
    bucket = str(world.value("s3BucketName"))
    policy = world.store.get(BUCKET_POLICY, bucket)
    if world.store.exists(BUCKET, bucket) and (
        policy is None or "cloudtrail.amazonaws.com" not in str(policy.outputs.get("policy"))
    ):
        raise AwsError(
            400,
            f"Incorrect S3 bucket policy is detected for bucket: {bucket}",
            "InsufficientS3BucketPolicyException",
        )
    message = f"Insufficient permissions to access S3 bucket {bucket} or KMS key {world.value('kmsKeyId')}."
    code = "InsufficientEncryptionPolicyException"
    _need_key_policy(world, "kmsKeyId", "cloudtrail.amazonaws.com", code, message)


# --- buckets ---------------------------------------------------------------------------------------------------------


def _check_bucket_region(world: World) -> None:
    """A bucket's settings and objects are written where the bucket is."""
    if not world.token.startswith("aws:s3/bucket") or world.token == BUCKET:
        return
    bucket = world.store.get(BUCKET, str(world.value("bucket")))
    if bucket is not None and bucket.outputs.get("region") != world.region:
        raise AwsError(
            301,
            f"The bucket {bucket.id} is in {bucket.outputs.get('region')}, but {world.region} was asked: set `region`",
            "PermanentRedirect",
        )


def is_versioned(store: Store, bucket: str) -> bool:
    """Whether a bucket keeps versions: it was told to, or Object Lock has made it so from the start."""
    versioning = store.get(VERSIONING, bucket)
    if versioning is not None:
        return bool(get_path(versioning.outputs, "versioningConfiguration.status") == "Enabled")
    found = store.get(BUCKET, bucket)
    return found is not None and bool(found.outputs.get("objectLockEnabled"))


def _check_versioning(world: World) -> None:
    bucket = str(world.value("bucket"))
    locked = world.store.get(BUCKET, bucket)
    has_lock = world.store.exists(CONFIGURATION, bucket) or (locked and locked.outputs.get("objectLockEnabled"))
    if has_lock and world.value("versioningConfiguration.status") != "Enabled":
        raise AwsError(
            409,
            "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
            "InvalidBucketState",
        )


def _check_object_lock(world: World) -> None:
    if not is_versioned(world.store, str(world.value("bucket"))):
        raise AwsError(
            409,
            "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
            "InvalidBucketState",
        )


def _check_replication(world: World) -> None:
    if not is_versioned(world.store, str(world.value("bucket"))):
        raise AwsError(
            400,
            "Versioning must be 'Enabled' on the bucket to apply a replication configuration",
            "InvalidRequest",
        )
    for arn in values_at(world.inputs, "rules.destination.bucket"):
        name = str(arn).rsplit(":", 1)[-1]
        if not world.store.exists(BUCKET, name):
            raise AwsError(400, f"Destination bucket {name} must exist.", "InvalidRequest")
        if not is_versioned(world.store, name):
            raise AwsError(400, "Destination bucket must have versioning enabled.", "InvalidRequest")


def _locks(world: World, item: CloudObject) -> Lock | None:
    configuration = world.store.get(CONFIGURATION, str(item.outputs.get("bucket")))
    return lock_of(item, configuration.outputs if configuration else {})


def _check_object_delete(world: World, item: CloudObject, *, bypass: bool) -> None:
    lock = _locks(world, item)
    if lock is None or lock.until <= world.clock.now() or (bypass and lock.mode != COMPLIANCE):
        return
    raise AwsError(
        403,
        f"Access Denied because object protected by object lock: {item.id} is held in {lock.mode} mode until"
        f" {lock.until.isoformat()}",
        "AccessDenied",
    )


def _check_bucket_delete(world: World, state: Props) -> None:
    for token, key in world.store.children(BUCKET, world.key):
        item = world.store.get(token, key)
        if token != OBJECT or item is None:
            continue
        if not state.get("forceDestroy"):
            raise AwsError(
                409,
                "The bucket you tried to delete is not empty. You must delete all versions in the bucket.",
                "BucketNotEmpty",
            )
        _check_object_delete(world, item, bypass=True)


# --- databases -------------------------------------------------------------------------------------------------------


def _check_instance(world: World) -> None:
    inputs = world.inputs
    identifier = str(world.outputs.get("identifier"))
    if not _IDENTIFIER.fullmatch(identifier) or len(identifier) > 63:  # noqa: PLR2004 - RDS's limit
        raise AwsError(
            400,
            f"The parameter DBInstanceIdentifier is not a valid identifier: {identifier}",
            "InvalidParameterValue",
        )
    if inputs.get("kmsKeyId") and not inputs.get("storageEncrypted"):
        raise AwsError(
            400, "A KMS key is only valid for an instance whose storage is encrypted", "InvalidParameterCombination"
        )
    days = inputs.get("backupRetentionPeriod") or 0
    if not 0 <= days <= _MOST_BACKUP_DAYS:
        raise AwsError(
            400,
            f"Invalid backup retention period: {days}. Must be between 0 and {_MOST_BACKUP_DAYS}.",
            "InvalidParameterValue",
        )
    source = inputs.get("snapshotIdentifier") or inputs.get("replicateSourceDb") or inputs.get("restoreToPointInTime")
    passwords = inputs.get("password") or inputs.get("passwordWo")
    if passwords and inputs.get("manageMasterUserPassword"):
        raise ProviderError('"password": conflicts with manage_master_user_password')
    if not source and not passwords and not inputs.get("manageMasterUserPassword"):
        raise AwsError(400, "The parameter MasterUserPassword must be provided.", "InvalidParameterValue")


def _check_instance_change(world: World, before: Props) -> None:
    old = before.get("performanceInsightsKmsKeyId")
    if old and world.value("performanceInsightsKmsKeyId") not in (None, old):
        raise AwsError(400, "You can't change your Performance Insights KMS key.", "InvalidParameterCombination")
    had, wants = before.get("allocatedStorage"), world.value("allocatedStorage")
    if isinstance(had, int) and isinstance(wants, int) and wants < had:
        raise AwsError(400, f"The allocated storage cannot shrink from {had} GiB", "InvalidParameterCombination")


def _check_instance_delete(world: World, state: Props) -> None:
    final = state.get("finalSnapshotIdentifier")
    if not state.get("skipFinalSnapshot") and not final:
        raise ProviderError("final_snapshot_identifier is required when skip_final_snapshot is false")
    if world.value("deletionProtection"):
        raise AwsError(
            400,
            "Cannot delete protected DB Instance, please disable deletion protection and try again.",
            "InvalidParameterCombination",
        )
    if state.get("skipFinalSnapshot"):
        return
    name = f"{final}@{world.region}"
    if world.store.reservation(SNAPSHOT, name, world.clock.text()) is not None:
        raise AwsError(
            400,
            f"Cannot create the snapshot because a snapshot with the identifier {final} already exists.",
            "DBSnapshotAlreadyExists",
        )
    world.store.reserve(SNAPSHOT, name, None, f"the final snapshot of {world.value('identifier')}")


def _check_backup_replication(world: World) -> None:
    arn = str(world.value("sourceDbInstanceArn"))
    _, _, _, region, account, _, name = arn.split(":", 6)
    if account != world.config.account:
        return
    source = world.store.named(INSTANCE, f"{name}@{region}")
    if source is None:
        raise AwsError(404, f"DBInstance {name} not found.", "DBInstanceNotFound")
    if region == world.region:
        raise AwsError(400, "The source and the destination region must differ", "InvalidParameterValue")
    if not source.outputs.get("backupRetentionPeriod"):
        raise AwsError(400, f"Automated backups are not enabled for {name}", "InvalidDBInstanceState")
    if source.outputs.get("storageEncrypted") and not world.value("kmsKeyId"):
        raise AwsError(
            400, f"The encrypted instance {name} needs a KMS key of {world.region}", "InvalidParameterCombination"
        )


def _check_vault_lock_delete(world: World) -> None:
    item = world.store.get(world.token, world.key)
    days = world.inputs.get("changeableForDays")
    if item is None or days is None:
        return
    locked_from = dt.datetime.fromisoformat(item.created) + dt.timedelta(days=int(days))
    if locked_from <= world.clock.now():
        raise AwsError(
            400,
            f"The vault lock of {world.value('backupVaultName')} is in compliance mode since"
            f" {locked_from.isoformat()} and cannot be removed",
            "InvalidRequestException",
        )


# --- the edge --------------------------------------------------------------------------------------------------------


def _check_distribution(world: World) -> None:
    arn = str(world.value("viewerCertificate.acmCertificateArn") or "")
    if arn and (f":acm:{EDGE_REGION}:" not in arn or not _is_issued(world, arn)):
        raise AwsError(
            400,
            "The specified SSL certificate doesn't exist, isn't in us-east-1 region, isn't valid, or doesn't include a"
            f" valid certificate chain: {arn}",
            "InvalidViewerCertificate",
        )


def _check_listener(world: World) -> None:
    arn = str(world.value("certificateArn") or "")
    if arn and not _is_issued(world, arn):
        raise AwsError(400, f"The certificate '{arn}' has not been validated yet", "UnsupportedCertificate")


def _is_issued(world: World, arn: str) -> bool:
    certificate = world.store.get(CERTIFICATE, arn)
    if certificate is None:
        return f":{world.config.account}:" not in arn
    validated = any(item.outputs.get("certificateArn") == arn for item in world.store.objects(VALIDATION))
    return validated or bool(certificate.inputs.get("certificateBody"))


def _check_web_acl(world: World) -> None:
    if world.value("scope") == "CLOUDFRONT" and world.region != EDGE_REGION:
        raise AwsError(
            400,
            "Error reason: The scope is not valid., field: SCOPE_VALUE, parameter: CLOUDFRONT",
            "WAFInvalidParameterException",
        )


def _check_testing_name(world: World) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_]{1,50}", str(world.value("name"))):
        raise AwsError(
            400,
            f"{world.value('name')}: letters, digits and underscores only, 50 at most",
            "InvalidParameterValueException",
        )


_ON_CREATE: Final[Mapping[str, Callable[[World], None]]] = {
    BACKUP_REPLICATION: _check_backup_replication,
    "aws:backup/restoreTestingPlan:RestoreTestingPlan": _check_testing_name,
    "aws:backup/restoreTestingSelection:RestoreTestingSelection": _check_testing_name,
    WEB_ACL: _check_web_acl,
}
_ON_CREATE_AND_UPDATE: Final[Mapping[str, Callable[[World], None]]] = {
    CONFIGURATION: _check_object_lock,
    DISTRIBUTION: _check_distribution,
    INSTANCE: _check_instance,
    LISTENER: _check_listener,
    LOG_GROUP: _check_log_group,
    REPLICATION: _check_replication,
    TRAIL: _check_trail,
    VERSIONING: _check_versioning,
}


def after_create(world: World) -> None:
    """Nothing comes into being beside an AWS resource that another one could name."""
    del world


# --- deletion --------------------------------------------------------------------------------------------------------

_IN_USE: Final[Mapping[str, tuple[str, str]]] = {
    VPC: ("DependencyViolation", "The vpc '{id}' has dependencies and cannot be deleted."),
    SUBNET: ("DependencyViolation", "The subnet '{id}' has dependencies and cannot be deleted."),
    SECURITY_GROUP: ("DependencyViolation", "resource {id} has a dependent object"),
    TABLE: ("DependencyViolation", "The routeTable '{id}' has dependencies and cannot be deleted."),
    EIP: ("InvalidIPAddress.InUse", "Address '{id}' is in use."),
    SUBNET_GROUP: (
        "InvalidDBSubnetGroupStateFault",
        "Cannot delete the subnet group '{id}' because at least one database instance: {child} is still using it.",
    ),
    PARAMETER_GROUP: (
        "InvalidDBParameterGroupState",
        "One or more database instances are still members of this parameter group {id}, so the group cannot be deleted",
    ),
    ROLE: ("DeleteConflict", "Cannot delete entity, must detach all policies first."),
    "aws:iam/policy:Policy": ("DeleteConflict", "Cannot delete a policy attached to entities."),
    PLAN: (
        "InvalidRequestException",
        "Related backup plan selections must be deleted prior to backup plan deletion: {child}",
    ),
    EVENT_RULE: ("ValidationException", "Rule can't be deleted since it has targets."),
    CLUSTER: ("ClusterContainsServicesException", "The Cluster cannot be deleted while Services are active."),
    TARGETS: ("ResourceInUse", "Target group '{id}' is currently in use by a listener or a rule"),
    CERTIFICATE: ("ResourceInUseException", "Certificate {id} in account is in use."),
    ACCESS_CONTROL: (
        "OriginAccessControlInUse",
        "The origin access control {id} is associated with distribution {child}",
    ),
    HEADERS_POLICY: ("ResponseHeadersPolicyInUse", "The response headers policy {id} is used by {child}"),
    WEB_ACL: ("WAFAssociatedItemException", "AWS WAF couldn't perform the operation because {id} is used by {child}"),
}


def check_delete(world: World, state: Props) -> None:
    """Refusals to delete that hang on the object's own settings or on what stands on it.

    Raises:
        CloudError: as the API would answer.
        ProviderError: the provider itself refuses.
    """
    item = world.store.get(world.token, world.key)
    if world.token == BUCKET:
        _check_bucket_delete(world, state)
        return
    if world.token == OBJECT and item is not None:
        _check_object_delete(world, item, bypass=bool(state.get("forceDestroy")))
    elif world.token == INSTANCE:
        _check_instance_delete(world, state)
    elif world.token == VAULT_LOCK:
        _check_vault_lock_delete(world)
    elif world.token == BALANCER and world.value("enableDeletionProtection"):
        raise AwsError(
            400,
            f"Load balancer '{world.id}' cannot be deleted because deletion protection is enabled",
            "OperationNotPermitted",
        )
    elif world.token == LOG_GROUP and world.value("deletionProtectionEnabled"):
        raise AwsError(400, f"Log group {world.id} has deletion protection enabled", "ValidationException")
    if world.token == ROLE and state.get("forceDetachPolicies"):
        return
    for child in _blocking(world):
        code, message = _IN_USE.get(world.token, ("DependencyViolation", "{id} has a dependent object: {child}"))
        raise AwsError(409, message.format(id=world.id, child=child), code)


def _blocking(world: World) -> Iterator[str]:
    for token, key in world.store.children(world.token, world.key):
        item = world.store.get(token, key)
        entries = [one for one in rule_for(token).parents if one.token == world.token and one.on_delete == "block"]
        if item is not None and any(
            world.key in parent_keys(entry, item.inputs, world.config, world.project) for entry in entries
        ):
            yield key
