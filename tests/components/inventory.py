"""What a stack creates, in a form to read and to compare: counts, names, and the properties that matter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from sandbox.mocks import Registration

# Per type: what an error in would lose, expose or miscount. A type that is not here is refused, so none is forgotten.
PROPERTIES: Final[Mapping[str, tuple[str, ...]]] = {
    "gcp:billing/budget:Budget": ("amount.specifiedAmount",),
    "gcp:cloudrunv2/job:Job": ("name", "template.template.serviceAccount", "template.template.vpcAccess.egress"),
    "gcp:cloudrunv2/jobIamMember:JobIamMember": ("name", "role", "member"),
    "gcp:cloudscheduler/job:Job": ("name", "schedule", "timeZone"),
    "gcp:compute/globalAddress:GlobalAddress": ("purpose", "address", "prefixLength"),
    "gcp:compute/network:Network": ("name", "autoCreateSubnetworks"),
    "gcp:compute/router:Router": ("region",),
    "gcp:compute/routerNat:RouterNat": ("natIpAllocateOption", "sourceSubnetworkIpRangesToNat"),
    "gcp:compute/subnetwork:Subnetwork": ("region", "ipCidrRange", "privateIpGoogleAccess"),
    "gcp:kms/cryptoKey:CryptoKey": ("keyRing", "rotationPeriod", "destroyScheduledDuration", "deletionPolicy"),
    "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember": ("cryptoKeyId", "role", "member"),
    "gcp:kms/keyRing:KeyRing": ("location",),
    "gcp:logging/metric:Metric": ("name", "metricDescriptor.metricKind", "metricDescriptor.valueType"),
    "gcp:logging/projectBucketConfig:ProjectBucketConfig": ("location", "retentionDays", "locked", "deletionPolicy"),
    "gcp:logging/projectSink:ProjectSink": ("destination", "uniqueWriterIdentity"),
    "gcp:monitoring/alertPolicy:AlertPolicy": ("displayName", "severity", "enabled"),
    "gcp:monitoring/customService:CustomService": ("serviceId",),
    "gcp:monitoring/dashboard:Dashboard": (),
    "gcp:monitoring/notificationChannel:NotificationChannel": ("type", "labels"),
    "gcp:monitoring/slo:Slo": ("goal", "rollingPeriodDays"),
    "gcp:monitoring/uptimeCheckConfig:UptimeCheckConfig": ("period", "httpCheck.path", "monitoredResource.labels.host"),
    "gcp:projects/iAMAuditConfig:IAMAuditConfig": ("service", "auditLogConfigs"),
    "gcp:projects/iAMCustomRole:IAMCustomRole": ("roleId", "permissions"),
    "gcp:projects/iAMMember:IAMMember": ("role", "member", "condition.expression"),
    "gcp:projects/service:Service": ("service",),
    "gcp:projects/serviceIdentity:ServiceIdentity": ("service",),
    "gcp:secretmanager/secret:Secret": ("secretId", "labels"),
    "gcp:secretmanager/secretIamBinding:SecretIamBinding": ("secretId", "role", "members"),
    "gcp:secretmanager/secretVersion:SecretVersion": ("secret", "deletionPolicy"),
    "gcp:serviceaccount/account:Account": ("accountId",),
    "gcp:servicenetworking/connection:Connection": ("service", "reservedPeeringRanges"),
    "gcp:sql/database:Database": ("instance", "name", "deletionPolicy"),
    "gcp:sql/databaseInstance:DatabaseInstance": (
        "name",
        "region",
        "databaseVersion",
        "masterInstanceName",
        "encryptionKeyName",
        "deletionProtection",
        "settings.deletionProtectionEnabled",
        "settings.tier",
        "settings.edition",
        "settings.availabilityType",
        "settings.diskSize",
        "settings.diskAutoresizeLimit",
        "settings.ipConfiguration.ipv4Enabled",
        "settings.ipConfiguration.sslMode",
        "settings.backupConfiguration",
        "settings.userLabels",
    ),
    "gcp:sql/user:User": ("instance", "name", "type", "databaseRoles", "deletionPolicy"),
    "gcp:storage/bucket:Bucket": (
        "name",
        "location",
        "encryption.defaultKmsKeyName",
        "versioning.enabled",
        "retentionPolicy",
        "publicAccessPrevention",
        "deletionPolicy",
        "labels",
    ),
    "gcp:storage/bucketIAMBinding:BucketIAMBinding": ("bucket", "role", "members"),
    "gcp:storage/bucketIAMMember:BucketIAMMember": ("bucket", "role", "member", "condition.expression"),
    "gcp:storage/bucketObject:BucketObject": ("bucket", "name"),
    "gcp:storage/managedFolder:ManagedFolder": ("bucket", "name"),
    "gcp:storage/managedFolderIamBinding:ManagedFolderIamBinding": ("bucket", "managedFolder", "role", "members"),
    "gcp:workflows/workflow:Workflow": ("name", "serviceAccount"),
    "random:index/randomPassword:RandomPassword": ("length", "keepers"),
}


def inventory(resources: list[Registration]) -> dict[str, Any]:
    """Counts by type, then every resource by type and name; a property that is not set is left out.

    Raises:
        KeyError: a type that `PROPERTIES` does not know.
        ValueError: a property of the table that is a secret here.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for item in sorted(resources, key=lambda item: (item.type, item.name)):
        shown = {path: value for path in PROPERTIES[item.type] if (value := _read(item, path)) is not None}
        found.setdefault(item.type, {})[item.name] = {**shown, **({"protect": True} if item.protect else {})}
    counts = Counter(item.type for item in resources)
    return {"total": counts.total(), "counts": dict(sorted(counts.items())), "resources": found}


def _read(item: Registration, path: str) -> object:
    first, *rest = path.split(".")
    if first in item.secret_inputs:
        raise ValueError(f"{item.name}: {first} is secret and must not be written down")
    value: object = item.inputs.get(first)
    for key in rest:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
