"""Encryption on AWS: a customer-managed key on every store, keys that rotate, TLS on every connection (R8.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from policies.aws.tokens import (
    BACKUP_VAULT,
    DISTRIBUTION,
    KMS_KEY,
    LISTENERS,
    LOG_GROUP,
    QUEUE,
    RDS_BACKUP_REPLICATION,
    RDS_CLUSTER,
    RDS_CLUSTER_INSTANCE,
    RDS_CLUSTER_SNAPSHOT_COPY,
    RDS_INSTANCE,
    RDS_SNAPSHOT_COPY,
    REPOSITORY,
    SECRET,
    TOPIC,
    TRAIL,
    is_replica,
)
from policies.frame import expect
from policies.frame.resources import Resource
from policies.frame.rules import Config, Family, ResourceRule, Setting, Severity
from policies.frame.values import ABSENT, UNKNOWN, Missing, items, read

KEY_PATHS: dict[str, str] = {
    BACKUP_VAULT: "kmsKeyArn",
    "aws:backup/logicallyAirGappedVault:LogicallyAirGappedVault": "encryptionKeyArn",
    LOG_GROUP: "kmsKeyId",
    QUEUE: "kmsMasterKeyId",
    RDS_BACKUP_REPLICATION: "kmsKeyId",
    RDS_CLUSTER: "kmsKeyId",
    RDS_CLUSTER_SNAPSHOT_COPY: "kmsKeyId",
    RDS_INSTANCE: "kmsKeyId",
    RDS_SNAPSHOT_COPY: "kmsKeyId",
    SECRET: "kmsKeyId",
    TOPIC: "kmsMasterKeyId",
    TRAIL: "kmsKeyId",
    "aws:ebs/volume:Volume": "kmsKeyId",
    "aws:efs/fileSystem:FileSystem": "kmsKeyId",
    "aws:elasticache/replicationGroup:ReplicationGroup": "kmsKeyId",
    "aws:elasticache/serverlessCache:ServerlessCache": "kmsKeyId",
    "aws:opensearch/domain:Domain": "encryptAtRest.kmsKeyId",
}
"""Where each type of store names its key."""

TLS_1_2 = ("TLSv1.2_2021", "TLSv1.2_2025", "TLSv1.3_2025")
"""CloudFront's security policies with TLS 1.2 or later and no CBC ciphers (provider documentation)."""
_LISTENER_POLICY = re.compile(r"ELBSecurityPolicy-(?:TLS13-1-[23]|TLS-1-2|FS-1-2)(?:-.+)?")
_ENCRYPTED_VIEWERS = ("https-only", "redirect-to-https")
_LISTENER_PROTOCOLS = ("HTTPS", "TLS")


def _customer_key(data: Any, path: str) -> Iterator[str]:  # noqa: ANN401
    yield from expect.is_set(data, path)
    value = read(data, path)
    if isinstance(value, str) and re.search(r"(?:^|:)alias/aws/", value):
        yield f"{path} is a key that AWS manages; it must be a customer-managed one"


def _cmek(store: Resource, _: Config) -> Iterator[str]:
    # A replica in its source's own region takes the source's key, and the API refuses one of its own.
    if store.token == RDS_INSTANCE and not (store.text("replicateSourceDb") or "arn:").startswith("arn:"):
        return
    yield from _customer_key(store.props, KEY_PATHS[store.token])
    if store.token == SECRET:
        replicas = store.items("replicas")
        if replicas is UNKNOWN:
            yield "replicas is not known during preview; it must be a literal"
        elif not isinstance(replicas, Missing):
            for position, replica in enumerate(replicas):
                yield from (f"replicas[{position}].{message}" for message in _customer_key(replica, "kmsKeyId"))


def _repository(repository: Resource, _: Config) -> Iterator[str]:
    configurations = repository.items("encryptionConfigurations")
    if isinstance(configurations, Missing) or not configurations:
        found = "is empty" if not configurations else expect.state(configurations)
        yield f"encryptionConfigurations {found}; it must be set"
        return
    for configuration in configurations:
        yield from expect.one_of(configuration, "encryptionType", ("KMS", "KMS_DSSE"))
        yield from _customer_key(configuration, "kmsKey")


def _rds_encrypted(database: Resource, _: Config) -> Iterator[str]:
    if not is_replica(database):
        yield from expect.equals(database.props, "storageEncrypted", wanted=True)


def _rds_derived_keys(database: Resource, _: Config) -> Iterator[str]:
    if database.read("performanceInsightsEnabled") not in (ABSENT, False):
        yield from _customer_key(database.props, "performanceInsightsKmsKeyId")
    if database.read("manageMasterUserPassword") not in (ABSENT, False):
        yield from _customer_key(database.props, "masterUserSecretKmsKeyId")


def _key_rotation(key: Resource, config: Config) -> Iterator[str]:
    # Asymmetric and MAC keys cannot rotate by themselves; unknown ones are judged as the default, symmetric kind.
    if key.read("keyUsage") not in (ABSENT, UNKNOWN, "ENCRYPT_DECRYPT"):
        return
    if key.read("customerMasterKeySpec") not in (ABSENT, UNKNOWN, "SYMMETRIC_DEFAULT"):
        return
    yield from expect.equals(key.props, "enableKeyRotation", wanted=True)
    longest = config.number("maxDays")
    period = key.read("rotationPeriodInDays")
    # Without a period the service takes a year.
    days = 365 if period is ABSENT else period
    if isinstance(days, bool) or not isinstance(days, int) or days > longest:
        yield f"rotationPeriodInDays {expect.state(period)}; it must be a literal of at most {longest}"


def _cloudfront_tls(distribution: Resource, _: Config) -> Iterator[str]:
    if distribution.read("viewerCertificate.cloudfrontDefaultCertificate") not in (ABSENT, False):
        yield "viewerCertificate is CloudFront's own, which accepts TLS 1.0"
        return
    version = distribution.read("viewerCertificate.minimumProtocolVersion")
    if version not in TLS_1_2:
        wanted = ", ".join(TLS_1_2)
        yield f"viewerCertificate.minimumProtocolVersion {expect.state(version)}; it must be one of {wanted}"
    yield from expect.is_set(distribution.props, "viewerCertificate.acmCertificateArn")


def behaviours(distribution: Resource) -> Iterator[tuple[str, Any]]:
    """Cache behaviours with their paths; an unknown list of further ones is one unknown behaviour."""
    yield "defaultCacheBehavior", distribution.read("defaultCacheBehavior")
    ordered = distribution.items("orderedCacheBehaviors")
    if ordered is UNKNOWN:
        yield "orderedCacheBehaviors", UNKNOWN
    elif not isinstance(ordered, Missing):
        yield from ((f"orderedCacheBehaviors[{position}]", one) for position, one in enumerate(ordered))


def _cloudfront_https(distribution: Resource, _: Config) -> Iterator[str]:
    for path, behaviour in behaviours(distribution):
        protocol = read(behaviour, "viewerProtocolPolicy")
        if protocol not in _ENCRYPTED_VIEWERS:
            wanted = " or ".join(_ENCRYPTED_VIEWERS)
            yield f"{path}.viewerProtocolPolicy {expect.state(protocol)}; it must be {wanted}"
    origins = distribution.items("origins")
    for position, origin in enumerate([] if isinstance(origins, Missing) else origins):
        custom = read(origin, "customOriginConfig")
        if custom is ABSENT:
            continue
        path = f"origins[{position}].customOriginConfig"
        for message in expect.equals(custom, "originProtocolPolicy", wanted="https-only"):
            yield f"{path}.{message}"
        versions = items(custom, "originSslProtocols")
        if isinstance(versions, Missing) or set(versions) - {"TLSv1.2", "TLSv1.3"}:
            yield f"{path}.originSslProtocols must list TLSv1.2 and nothing older, as literals"


def _listener(listener: Resource, _: Config) -> Iterator[str]:
    protocol = listener.read("protocol")
    if protocol in _LISTENER_PROTOCOLS:
        policy = listener.read("sslPolicy")
        if not isinstance(policy, str) or not _LISTENER_POLICY.fullmatch(policy):
            yield f"sslPolicy {expect.state(policy)}; it must be a literal that begins at TLS 1.2"
        return
    if protocol != "HTTP":
        yield f"protocol {expect.state(protocol)}; it must be HTTPS or TLS, or HTTP that redirects"
        return
    actions = listener.items("defaultActions")
    redirecting = not isinstance(actions, Missing) and all(
        read(action, "type") == "redirect" and read(action, "redirect.protocol") == "HTTPS" for action in actions
    )
    if not redirecting or not actions:
        yield "protocol is HTTP and defaultActions does more than redirect to HTTPS"


RULES = (
    ResourceRule(
        name="aws-cmek",
        family=Family.ENCRYPTION,
        refuses="A database, copy, secret, queue, topic, log group, trail or vault without a customer-managed key.",
        severity=Severity.HIGH,
        remediation="Name a KMS key of the environment, in the resource's own region, where the type takes its key.",
        requirements=("R8.1", "R3.5", "R5.2", "R6.6"),
        tokens=tuple(KEY_PATHS),
        check=_cmek,
    ),
    ResourceRule(
        name="ecr-cmek",
        family=Family.ENCRYPTION,
        refuses="An image repository without a customer-managed key.",
        severity=Severity.MEDIUM,
        remediation='Set encryption_configurations to one of type "KMS" with its key; a change replaces.',
        requirements=("R8.1",),
        tokens=(REPOSITORY,),
        check=_repository,
    ),
    ResourceRule(
        name="rds-encrypted",
        family=Family.ENCRYPTION,
        refuses="A database whose storage is not encrypted.",
        severity=Severity.CRITICAL,
        remediation="Set storage_encrypted to True, as a literal: the default is False, and a change replaces.",
        requirements=("R8.1",),
        tokens=(RDS_INSTANCE, RDS_CLUSTER),
        check=_rds_encrypted,
    ),
    ResourceRule(
        name="rds-derived-keys",
        family=Family.ENCRYPTION,
        refuses="Performance data or a managed master password under a key that AWS manages.",
        severity=Severity.MEDIUM,
        remediation="Set performance_insights_kms_key_id and master_user_secret_kms_key_id.",
        requirements=("R8.1", "R5.2"),
        tokens=(RDS_INSTANCE, RDS_CLUSTER, RDS_CLUSTER_INSTANCE),
        check=_rds_derived_keys,
    ),
    ResourceRule(
        name="kms-rotation",
        family=Family.ENCRYPTION,
        refuses="A symmetric key that rotates too seldom, or never.",
        severity=Severity.HIGH,
        remediation="Set enable_key_rotation to True, as a literal: the default is False.",
        requirements=("R8.1",),
        settings=(Setting(name="maxDays", default=365, maximum=365, description="Longest rotation period, in days."),),
        tokens=(KMS_KEY,),
        check=_key_rotation,
    ),
    ResourceRule(
        name="cloudfront-tls",
        family=Family.ENCRYPTION,
        refuses="A distribution that accepts less than TLS 1.2.",
        severity=Severity.HIGH,
        remediation='Set viewer_certificate with an ACM certificate and minimum_protocol_version="TLSv1.2_2021".',
        requirements=("R8.1", "R4.1"),
        tokens=(DISTRIBUTION,),
        check=_cloudfront_tls,
    ),
    ResourceRule(
        name="cloudfront-https",
        family=Family.ENCRYPTION,
        refuses="A distribution that serves or fetches anything without TLS.",
        severity=Severity.HIGH,
        remediation='Set viewer_protocol_policy="redirect-to-https", and "https-only" with TLSv1.2 to origins.',
        requirements=("R8.1", "R4.1"),
        tokens=(DISTRIBUTION,),
        check=_cloudfront_https,
    ),
    ResourceRule(
        name="lb-tls",
        family=Family.ENCRYPTION,
        refuses="A load balancer's listener that accepts less than TLS 1.2, or plain HTTP for more than a redirect.",
        severity=Severity.HIGH,
        remediation='Set ssl_policy="ELBSecurityPolicy-TLS13-1-2-2021-06", or only redirect to HTTPS.',
        requirements=("R8.1",),
        tokens=LISTENERS,
        check=_listener,
    ),
)
