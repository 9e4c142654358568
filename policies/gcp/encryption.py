"""Encryption: a customer-managed key on every store, keys that rotate, TLS on every connection (R8.1)."""

from __future__ import annotations

from collections.abc import Iterator

from policies.frame import expect
from policies.frame.resources import Resource
from policies.frame.rules import Config, Family, ResourceRule, Setting, Severity
from policies.frame.values import ABSENT, UNKNOWN, Missing, items, read
from policies.gcp.tokens import BUCKET, CRYPTO_KEY, LOG_BUCKET, REGIONAL_SECRET, SECRET, SQL_INSTANCE

TLS_MODES = ("ENCRYPTED_ONLY", "TRUSTED_CLIENT_CERTIFICATE_REQUIRED")


def _sql_cmek(instance: Resource, _: Config) -> Iterator[str]:
    yield from expect.is_set(instance.props, "encryptionKeyName")


def _sql_tls(instance: Resource, _: Config) -> Iterator[str]:
    yield from expect.one_of(instance.props, "settings.ipConfiguration.sslMode", TLS_MODES)


def _bucket_cmek(bucket: Resource, _: Config) -> Iterator[str]:
    yield from expect.is_set(bucket.props, "encryption.defaultKmsKeyName")


def _secret_cmek(secret: Resource, _: Config) -> Iterator[str]:
    if secret.token == REGIONAL_SECRET:
        yield from expect.is_set(secret.props, "customerManagedEncryption.kmsKeyName")
        return
    if secret.read("replication.auto") is not ABSENT:
        yield from expect.is_set(secret.props, "replication.auto.customerManagedEncryption.kmsKeyName")
        return
    replicas = items(secret.props, "replication.userManaged.replicas")
    if isinstance(replicas, Missing) or not replicas:
        found = expect.state(replicas) if replicas else "is empty"
        yield f"replication.userManaged.replicas {found}; it must list the replicas"
        return
    for position, replica in enumerate(replicas):
        if replica is UNKNOWN or read(replica, "customerManagedEncryption.kmsKeyName") in (ABSENT, ""):
            yield f"replication.userManaged.replicas[{position}] has no customerManagedEncryption.kmsKeyName"


def _log_bucket_cmek(bucket: Resource, _: Config) -> Iterator[str]:
    yield from expect.is_set(bucket.props, "cmekSettings.kmsKeyName")


def _kms_key_name(resource: Resource, _: Config) -> Iterator[str]:
    yield from expect.is_set(resource.props, "kmsKeyName")


def _key_rotation(key: Resource, config: Config) -> Iterator[str]:
    # Asymmetric and MAC keys cannot rotate by themselves; an unknown purpose is judged as the default, symmetric one.
    if key.read("purpose") not in (ABSENT, UNKNOWN, "ENCRYPT_DECRYPT"):
        return
    longest = config.number("maxDays") * expect.SECONDS_PER_DAY
    yield from expect.seconds_between(key.props, "rotationPeriod", expect.SECONDS_PER_DAY, longest)


RULES = (
    ResourceRule(
        name="sql-cmek",
        family=Family.ENCRYPTION,
        refuses="A Cloud SQL instance without a customer-managed key.",
        severity=Severity.HIGH,
        remediation="Set encryption_key_name to a key of the instance's region; it cannot be added later in place.",
        requirements=("R8.1",),
        tokens=(SQL_INSTANCE,),
        check=_sql_cmek,
    ),
    ResourceRule(
        name="sql-tls",
        family=Family.ENCRYPTION,
        refuses="A Cloud SQL instance that accepts connections without TLS.",
        severity=Severity.CRITICAL,
        remediation='Set settings.ip_configuration.ssl_mode to "ENCRYPTED_ONLY", as a literal.',
        requirements=("R8.1", "R2.3"),
        tokens=(SQL_INSTANCE,),
        check=_sql_tls,
    ),
    ResourceRule(
        name="bucket-cmek",
        family=Family.ENCRYPTION,
        refuses="A bucket without a customer-managed default key.",
        severity=Severity.HIGH,
        remediation="Set encryption.default_kms_key_name to a key of the bucket's location.",
        requirements=("R8.1", "R3.5", "R4.1"),
        tokens=(BUCKET,),
        check=_bucket_cmek,
    ),
    ResourceRule(
        name="secret-cmek",
        family=Family.ENCRYPTION,
        refuses="A secret of which any replica lacks a customer-managed key.",
        severity=Severity.HIGH,
        remediation="Give every replica customer_managed_encryption with a key of its own location.",
        requirements=("R8.1", "R5.2"),
        tokens=(SECRET, REGIONAL_SECRET),
        check=_secret_cmek,
    ),
    ResourceRule(
        name="log-bucket-cmek",
        family=Family.ENCRYPTION,
        refuses="A log bucket without a customer-managed key.",
        severity=Severity.HIGH,
        remediation="Set cmek_settings.kms_key_name to a key of the log bucket's location.",
        requirements=("R8.1", "R6.6"),
        tokens=(LOG_BUCKET,),
        check=_log_bucket_cmek,
    ),
    ResourceRule(
        name="topic-cmek",
        family=Family.ENCRYPTION,
        refuses="A Pub/Sub topic without a customer-managed key.",
        severity=Severity.MEDIUM,
        remediation="Set kms_key_name; messages rest in the topic until they are acknowledged.",
        requirements=("R8.1",),
        tokens=("gcp:pubsub/topic:Topic",),
        check=_kms_key_name,
    ),
    ResourceRule(
        name="artifact-repository-cmek",
        family=Family.ENCRYPTION,
        refuses="An artifact repository without a customer-managed key.",
        severity=Severity.MEDIUM,
        remediation="Set kms_key_name to a key of the repository's location; it cannot be added later in place.",
        requirements=("R8.1",),
        tokens=("gcp:artifactregistry/repository:Repository",),
        check=_kms_key_name,
    ),
    ResourceRule(
        name="key-rotation",
        family=Family.ENCRYPTION,
        refuses="A symmetric key that rotates too seldom, or never.",
        severity=Severity.HIGH,
        remediation='Set rotation_period to at most 90 days, for example "7776000s", as a literal.',
        requirements=("R8.1",),
        settings=(Setting(name="maxDays", default=90, maximum=90, description="Longest rotation period, in days."),),
        tokens=(CRYPTO_KEY,),
        check=_key_rotation,
    ),
)
