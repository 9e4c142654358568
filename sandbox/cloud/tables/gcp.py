"""Google Cloud: what replaces, what is filled in, what is computed, what blocks and what stays reserved.

Source: the google provider's schema (ForceNew, Default, Computed, virtual fields) and Google's API documentation. Only
the types that the program uses are here; any other type is an error.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from sandbox.cloud import revisions
from sandbox.cloud.digests import digest_number
from sandbox.cloud.errors import CloudError
from sandbox.cloud.rules import Parent, Reservation, Rule, Synthesis
from sandbox.cloud.synthesis import content_md5_base64, content_md5_hex
from sandbox.cloud.values import Value, get_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.cloud.rules import World

COMPUTE: Final = "https://www.googleapis.com/compute/v1/"
NETWORK: Final = "gcp:compute/network:Network"
KEY: Final = "gcp:kms/cryptoKey:CryptoKey"
INSTANCE: Final = "gcp:sql/databaseInstance:DatabaseInstance"
BUCKET: Final = "gcp:storage/bucket:Bucket"
SECRET: Final = "gcp:secretmanager/secret:Secret"  # noqa: S105 - a resource type
TOPIC: Final = "gcp:pubsub/topic:Topic"
SUBSCRIPTION: Final = "gcp:pubsub/subscription:Subscription"
DELETED_TOPIC: Final = "_deleted-topic_"
"""What a subscription names as its topic once that is deleted."""
POOL: Final = "gcp:iam/workloadIdentityPool:WorkloadIdentityPool"
_NETWORK_PARENT: Final = Parent(NETWORK, "projects/{project}/global/networks/{network|last}", "block")
_WORKFLOW_DELETE: Final = "cannot destroy workflow without setting deletion_protection=false and running `pulumi up`"


def _etag(made: Synthesis) -> str:
    return f"Bw{made.hex(10, 'etag')}="


def _iam(parent: Parent | None, *keys: str, api: str, binding: bool = False) -> Rule:
    """A grant: authoritative for one role (binding) or additive for one member."""
    return Rule(
        immutable=(*keys, "role", "condition") if binding else (*keys, "role", "member", "condition"),
        unordered=("members",),
        computed={"etag": _etag},
        on_exists="adopt",
        parents=(parent,) if parent else (),
        api=api,
    )


def _ipv4(made: Synthesis, salt: str) -> str:
    number = digest_number(f"{made.seed}/{salt}", 2**16)
    return f"10.200.{number >> 8}.{number & 255}"


def _global_address(made: Synthesis) -> str:
    if made.inputs.get("addressType") == "INTERNAL":
        return f"10.{made.digits('block', 200)}.0.0"
    return f"34.{96 + made.digits('block', 90)}.{made.digits('b', 256)}.{made.digits('c', 256)}"


def _sql_private(made: Synthesis) -> str:
    return _ipv4(made, "private") if get_path(made.inputs, "settings.ipConfiguration.privateNetwork") else ""


def _sql_public(made: Synthesis) -> str:
    enabled = get_path(made.inputs, "settings.ipConfiguration.ipv4Enabled")
    return f"34.77.{made.digits('public', 256)}.{made.digits('public2', 256)}" if enabled is not False else ""


def _sql_addresses(made: Synthesis) -> list[dict[str, str]]:
    found = (("PRIMARY", _sql_public(made)), ("PRIVATE", _sql_private(made)))
    return [{"ipAddress": address, "timeToRetire": "", "type": kind} for kind, address in found if address]


def _sql_ca(made: Synthesis) -> list[dict[str, str]]:
    body = made.hex(64, "ca")
    return [
        {
            "cert": f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----",
            "commonName": f"C=US,O=Google\\, Inc,CN=Google Cloud SQL Server CA,dnQualifier={made.uuid('ca')}",
            "createTime": made.now,
            "expirationTime": f"{int(made.now[:4]) + 10}{made.now[4:]}",
            "sha1Fingerprint": made.hex(40, "fingerprint"),
        }
    ]


def _sql_dns(made: Synthesis) -> str:
    region = made.outputs.get("region") or made.config.region
    return f"{made.hex(12, 'dns')}.{made.hex(12, 'dns2')}.{region}.sql.goog."


def _sink_writer(made: Synthesis) -> str:
    return f"serviceAccount:service-{made.number}@gcp-sa-logging.iam.gserviceaccount.com"


def _identity_email(made: Synthesis) -> str:
    domain = SERVICE_AGENTS.get(str(made.inputs["service"]))
    host = domain or f"gcp-sa-{str(made.inputs['service']).removesuffix('.googleapis.com')}"
    return f"service-{made.number}@{host}.iam.gserviceaccount.com"


def _key_primary(made: Synthesis) -> list[dict[str, str]]:
    return [{"name": f"{made.id}/cryptoKeyVersions/1", "state": "ENABLED"}]


def _secret_version_number(made: Synthesis) -> str:
    # The seed ends with the number of versions created so far, see Cloud.create.
    return made.seed.rpartition("#")[2]


def _secret_version_id(made: Synthesis) -> str:
    secret = str(made.inputs["secret"]).rsplit("/", 1)[-1]
    parts = str(made.inputs["secret"]).split("/")
    project = parts[1] if len(parts) > 1 else made.project
    number = made.number if project == made.project else project
    return f"projects/{number}/secrets/{secret}/versions/{_secret_version_number(made)}"


def _is_data_loss(old: Value, new: Value) -> bool:
    """A disk cannot shrink."""
    return isinstance(old, int) and isinstance(new, int) and new < old


def _is_removed(old: Value, new: Value) -> bool:
    return bool(old) and not new


def _is_unlocked(old: Value, new: Value) -> bool:
    return old is True and new is not True


def _run_common(kind: str) -> dict[str, Any]:
    return {
        "uid": lambda made: made.uuid("uid"),
        "createTime": "{now}",
        "updateTime": "{now}",
        "creator": "deployer@{project}.iam.gserviceaccount.com",
        "lastModifier": "deployer@{project}.iam.gserviceaccount.com",
        "etag": _etag,
        "generation": lambda _made: "1",
        "observedGeneration": lambda _made: "1",
        "terminalConditions": lambda _made: [{"state": "CONDITION_SUCCEEDED", "type": "Ready"}],
        "effectiveAnnotations": lambda made: dict(made.inputs.get("annotations") or {}),
        **(
            {
                "uri": lambda made: f"https://{made.inputs['name']}-{made.number}.{made.inputs['location']}.run.app",
                "urls": lambda made: [f"https://{made.inputs['name']}-{made.number}.{made.inputs['location']}.run.app"],
                "latestCreatedRevision": revisions.newest,
                "latestReadyRevision": revisions.newest,
            }
            if kind == "service"
            else {}
        ),
    }


_PROBES: Final = ("startupProbe", "livenessProbe")
_PROBE_DEFAULTS: Final = {"failureThreshold": 3, "periodSeconds": 10, "timeoutSeconds": 1}

SERVICE_AGENTS: Final[Mapping[str, str]] = {
    "artifactregistry.googleapis.com": "gcp-sa-artifactregistry",
    "cloudscheduler.googleapis.com": "gcp-sa-cloudscheduler",
    "compute.googleapis.com": "compute-system",
    "firestore.googleapis.com": "gcp-sa-firestore",
    "logging.googleapis.com": "gcp-sa-logging",
    "monitoring.googleapis.com": "gcp-sa-monitoring-notification",
    "pubsub.googleapis.com": "gcp-sa-pubsub",
    "run.googleapis.com": "serverless-robot-prod",
    "secretmanager.googleapis.com": "gcp-sa-secretmanager",
    "servicenetworking.googleapis.com": "service-networking",
    "sqladmin.googleapis.com": "gcp-sa-cloud-sql",
    "workflows.googleapis.com": "gcp-sa-workflows",
}
"""API to the host part of its service agent, ``service-NUMBER@<host>.iam.gserviceaccount.com``."""

AGENT_ON_ENABLE: Final = frozenset(
    {
        "cloudscheduler.googleapis.com",
        "compute.googleapis.com",
        "pubsub.googleapis.com",
        "run.googleapis.com",
        "servicenetworking.googleapis.com",
    }
)
"""Agents that exist as soon as the API is enabled; the others appear on first use or by a ServiceIdentity."""

ENABLED_AT_START: Final = frozenset(
    {
        # Google's list of services enabled by default, and the three that a deployer must have to begin with.
        "bigquery.googleapis.com",
        "bigquerystorage.googleapis.com",
        "cloudapis.googleapis.com",
        "cloudresourcemanager.googleapis.com",
        "cloudtrace.googleapis.com",
        "datastore.googleapis.com",
        "iam.googleapis.com",
        "logging.googleapis.com",
        "monitoring.googleapis.com",
        "servicemanagement.googleapis.com",
        "serviceusage.googleapis.com",
        "sql-component.googleapis.com",
        "storage-api.googleapis.com",
        "storage-component.googleapis.com",
        "storage.googleapis.com",
    }
)

_ACTIVE: Final = {"state": "ACTIVE"}
_SOFT_DELETED: Final = Reservation(
    30,
    "Requested entity already exists: {id} was deleted, its id stays taken for 30 days in which it can be undeleted.",
)
_FEDERATION_ID: Final = re.compile(r"(?!gcp-)[a-z0-9-]{4,32}")


def _check_pool(world: World) -> None:
    _check_federation_id("workloadIdentityPoolId", str(world.outputs.get("workloadIdentityPoolId")))


def _check_pool_provider(world: World) -> None:
    _check_federation_id("workloadIdentityPoolProviderId", str(world.outputs.get("workloadIdentityPoolProviderId")))
    if world.outputs.get("oidc") and "google.subject" not in (world.outputs.get("attributeMapping") or {}):
        raise CloudError(400, "Attribute mapping must contain google.subject", "invalidArgument")


def _check_federation_id(name: str, value: str) -> None:
    if not _FEDERATION_ID.fullmatch(value):
        raise CloudError(
            400,
            f"{name} {value!r} must have 4 to 32 lowercase letters, digits and hyphens and not start with gcp-",
            "invalidArgument",
        )


def _check_subscription(world: World) -> None:
    for path in ("topic", "deadLetterPolicy.deadLetterTopic"):
        name = str(get_path(world.outputs, path) or "")
        if not name or name == DELETED_TOPIC:
            continue
        topic = name if "/" in name else f"projects/{world.project}/topics/{name}"
        if topic.split("/")[1] == world.project and not world.store.exists(TOPIC, topic):
            raise CloudError(404, f"Resource not found (resource={name.rsplit('/', 1)[-1]}).", "notFound")


RULES: Final[Mapping[str, Rule]] = {
    # --- project -------------------------------------------------------------------------------------------------
    "gcp:projects/service:Service": Rule(
        immutable=("project", "service"),
        api="serviceusage.googleapis.com",
        on_exists="adopt",
        virtual={"disableOnDestroy": None, "disableDependentServices": None, "checkIfServiceHasUsageOnDestroy": None},
    ),
    "gcp:projects/serviceIdentity:ServiceIdentity": Rule(
        immutable=("project", "service"),
        computed={"email": _identity_email, "member": lambda made: f"serviceAccount:{_identity_email(made)}"},
        api="serviceusage.googleapis.com",
        on_exists="adopt",
        kept_in_cloud=True,
    ),
    "gcp:projects/iAMMember:IAMMember": _iam(None, "project", api="cloudresourcemanager.googleapis.com"),
    "gcp:projects/iAMAuditConfig:IAMAuditConfig": Rule(
        immutable=("project",),
        unordered=("auditLogConfigs",),
        computed={"etag": _etag},
        api="cloudresourcemanager.googleapis.com",
        on_exists="adopt",
    ),
    "gcp:projects/iAMCustomRole:IAMCustomRole": Rule(
        immutable=("project", "roleId"),
        unordered=("permissions",),
        check_defaults={"stage": "GA"},
        computed={"name": "{id}", "deleted": lambda _made: False},
        api="iam.googleapis.com",
    ),
    # --- network -------------------------------------------------------------------------------------------------
    NETWORK: Rule(
        immutable=(
            "autoCreateSubnetworks",
            "description",
            "internalIpv6Range",
            "name",
            "networkProfile",
            "params",
            "project",
        ),
        check_defaults={
            "autoCreateSubnetworks": True,
            "networkFirewallPolicyEnforcementOrder": "AFTER_CLASSIC_FIREWALL",
        },
        plan_defaults={"deleteBgpAlwaysCompareMed": False, "deleteDefaultRoutesOnCreate": False},
        server_defaults={"mtu": 1460, "routingMode": "REGIONAL", "bgpBestPathSelectionMode": "LEGACY"},
        computed={
            "selfLink": COMPUTE + "{id}",
            "numericId": "{digits}",
            "networkId": lambda made: made.digits(),
            "gatewayIpv4": lambda _made: "",
        },
        virtual={"deleteDefaultRoutesOnCreate": False, "deleteBgpAlwaysCompareMed": False},
        api="compute.googleapis.com",
    ),
    "gcp:compute/subnetwork:Subnetwork": Rule(
        immutable=(
            "description",
            "externalIpv6Prefix",
            "internalIpv6Prefix",
            "name",
            "network",
            "params",
            "project",
            "region",
            "reservedInternalRange",
            "resolveSubnetMask",
        ),
        check_defaults={
            "logConfig.aggregationInterval": "INTERVAL_5_SEC",
            "logConfig.filterExpr": "true",
            "logConfig.flowSampling": 0.5,
            "logConfig.metadata": "INCLUDE_ALL_METADATA",
        },
        server_defaults={
            "privateIpGoogleAccess": False,
            "purpose": "PRIVATE",
            "stackType": "IPV4_ONLY",
            "privateIpv6GoogleAccess": "DISABLE_GOOGLE_ACCESS",
        },
        computed={
            "selfLink": COMPUTE + "{id}",
            "creationTimestamp": "{now}",
            "gatewayAddress": lambda made: _first_host(str(made.inputs.get("ipCidrRange") or "")),
            "fingerprint": _etag,
            "subnetworkId": lambda made: made.digits(),
        },
        api="compute.googleapis.com",
        parents=(_NETWORK_PARENT,),
    ),
    "gcp:compute/globalAddress:GlobalAddress": Rule(
        immutable=(
            "address",
            "addressType",
            "description",
            "ipVersion",
            "name",
            "network",
            "prefixLength",
            "project",
            "purpose",
        ),
        check_defaults={"addressType": "EXTERNAL"},
        server_defaults={"prefixLength": 0},
        computed={
            "address": _global_address,
            "selfLink": COMPUTE + "{id}",
            "creationTimestamp": "{now}",
            "labelFingerprint": _etag,
        },
        api="compute.googleapis.com",
        parents=(_NETWORK_PARENT,),
    ),
    "gcp:compute/router:Router": Rule(
        immutable=("encryptedInterconnectRouter", "name", "nccGateway", "network", "params", "project", "region"),
        check_defaults={"bgp.advertiseMode": "DEFAULT", "bgp.keepaliveInterval": 20},
        computed={"selfLink": COMPUTE + "{id}", "creationTimestamp": "{now}"},
        api="compute.googleapis.com",
        parents=(_NETWORK_PARENT,),
    ),
    "gcp:compute/routerNat:RouterNat": Rule(
        immutable=("endpointTypes", "initialNatIps", "name", "project", "region", "router", "type"),
        unordered=("subnetworks",),
        check_defaults={
            "icmpIdleTimeoutSec": 30,
            "tcpEstablishedIdleTimeoutSec": 1200,
            "tcpTimeWaitTimeoutSec": 120,
            "tcpTransitoryIdleTimeoutSec": 30,
            "type": "PUBLIC",
            "udpIdleTimeoutSec": 30,
        },
        server_defaults={
            "autoNetworkTier": "PREMIUM",
            "enableDynamicPortAllocation": False,
            "enableEndpointIndependentMapping": False,
            "endpointTypes": ["ENDPOINT_TYPE_VM"],
            "minPortsPerVm": 64,
        },
        api="compute.googleapis.com",
        parents=(Parent("gcp:compute/router:Router", "projects/{project}/regions/{region}/routers/{router|last}"),),
    ),
    "gcp:compute/firewall:Firewall": Rule(
        immutable=("direction", "name", "params", "project"),
        unordered=("sourceRanges", "destinationRanges", "targetServiceAccounts", "targetTags", "allows", "denies"),
        check_defaults={"priority": 1000},
        server_defaults={"direction": "INGRESS"},
        computed={"selfLink": COMPUTE + "{id}", "creationTimestamp": "{now}"},
        api="compute.googleapis.com",
        parents=(_NETWORK_PARENT,),
    ),
    "gcp:servicenetworking/connection:Connection": Rule(
        immutable=("network", "service"),
        computed={"peering": lambda _made: "servicenetworking-googleapis-com"},
        virtual={"deletionPolicy": "", "updateOnCreationFail": None},
        api="servicenetworking.googleapis.com",
        parents=(_NETWORK_PARENT,),
    ),
    # --- keys ----------------------------------------------------------------------------------------------------
    "gcp:kms/keyRing:KeyRing": Rule(
        immutable=("location", "name", "project"),
        api="cloudkms.googleapis.com",
        kept_in_cloud=True,
    ),
    KEY: Rule(
        immutable=(
            "cryptoKeyBackend",
            "destroyScheduledDuration",
            "importOnly",
            "keyRing",
            "name",
            "purpose",
            "versionTemplate.protectionLevel",
        ),
        check_defaults={"purpose": "ENCRYPT_DECRYPT", "versionTemplate.protectionLevel": "SOFTWARE"},
        server_defaults={
            "destroyScheduledDuration": "2592000s",
            "importOnly": False,
            "versionTemplate": {"algorithm": "GOOGLE_SYMMETRIC_ENCRYPTION", "protectionLevel": "SOFTWARE"},
        },
        computed={"primaries": _key_primary},
        virtual={"skipInitialVersionCreation": None},
        api="cloudkms.googleapis.com",
        parents=(Parent("gcp:kms/keyRing:KeyRing", "{keyRing}", "block"),),
        reservation=Reservation(
            None, "CryptoKey {id} already exists: its versions are destroyed, its name can never be used again."
        ),
    ),
    "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember": _iam(
        Parent(KEY, "{cryptoKeyId}"), "cryptoKeyId", api="cloudkms.googleapis.com"
    ),
    # --- service accounts ----------------------------------------------------------------------------------------
    "gcp:serviceaccount/account:Account": Rule(
        immutable=("accountId", "project"),
        plan_defaults={"disabled": False},
        planned={
            # The provider's CustomizeDiff sets both as soon as the project is known.
            "email": "{accountId}@{project}.iam.gserviceaccount.com",
            "member": "serviceAccount:{accountId}@{project}.iam.gserviceaccount.com",
        },
        computed={"name": "{id}", "uniqueId": lambda made: f"1{made.digits('unique', 10**20):020d}"},
        virtual={"createIgnoreAlreadyExists": None},
        api="iam.googleapis.com",
    ),
    "gcp:serviceaccount/iAMBinding:IAMBinding": _iam(
        Parent("gcp:serviceaccount/account:Account", "{serviceAccountId}"),
        "serviceAccountId",
        binding=True,
        api="iam.googleapis.com",
    ),
    "gcp:serviceaccount/iAMMember:IAMMember": _iam(
        Parent("gcp:serviceaccount/account:Account", "{serviceAccountId}"), "serviceAccountId", api="iam.googleapis.com"
    ),
    # --- workload identity ---------------------------------------------------------------------------------------
    POOL: Rule(
        immutable=("project", "workloadIdentityPoolId"),
        computed={
            "name": "projects/{number}/locations/global/workloadIdentityPools/{workloadIdentityPoolId}",
            **_ACTIVE,
        },
        api="iam.googleapis.com",
        reservation=_SOFT_DELETED,
        check=_check_pool,
    ),
    "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider": Rule(
        immutable=("project", "workloadIdentityPoolId", "workloadIdentityPoolProviderId"),
        computed={
            "name": (
                "projects/{number}/locations/global/workloadIdentityPools/{workloadIdentityPoolId|last}"
                "/providers/{workloadIdentityPoolProviderId}"
            ),
            **_ACTIVE,
        },
        api="iam.googleapis.com",
        parents=(
            Parent(POOL, "projects/{project}/locations/global/workloadIdentityPools/{workloadIdentityPoolId|last}"),
        ),
        reservation=_SOFT_DELETED,
        check=_check_pool_provider,
    ),
    # --- Cloud SQL -----------------------------------------------------------------------------------------------
    INSTANCE: Rule(
        immutable=(
            "encryptionKeyName",
            "masterInstanceName",
            "name",
            "project",
            "region",
            "settings.collation",
            *(
                f"replicaConfiguration.{name}"
                for name in (
                    "caCertificate",
                    "clientCertificate",
                    "clientKey",
                    "connectRetryInterval",
                    "dumpFilePath",
                    "failoverTarget",
                    "masterHeartbeatPeriod",
                    "password",
                    "sslCipher",
                    "username",
                    "verifyServerCertificate",
                )
            ),
        ),
        replace_when={
            "settings.diskSize": _is_data_loss,
            "settings.ipConfiguration.privateNetwork": _is_removed,
        },
        unordered=("settings.databaseFlags", "settings.ipConfiguration.authorizedNetworks"),
        check_defaults={
            "deletionProtection": True,
            "settings.activationPolicy": "ALWAYS",
            "settings.availabilityType": "ZONAL",
            "settings.backupConfiguration.backupRetentionSettings.retentionUnit": "COUNT",
            "settings.diskAutoresize": True,
            "settings.ipConfiguration.ipv4Enabled": True,
            "settings.pricingPlan": "PER_USE",
        },
        plan_defaults={
            "settings.dataCacheConfig.dataCacheEnabled": False,
            "settings.diskAutoresizeLimit": 0,
            "settings.readPoolAutoScaleConfig.enabled": False,
        },
        server_defaults={
            "instanceType": "CLOUD_SQL_INSTANCE",
            "maintenanceVersion": "POSTGRES_17_5.R20260401.00_12",
            "settings.backupConfiguration.enabled": False,
            "settings.backupConfiguration.pointInTimeRecoveryEnabled": False,
            "settings.backupConfiguration.startTime": "03:00",
            "settings.backupConfiguration.transactionLogRetentionDays": 7,
            "settings.backupConfiguration.backupRetentionSettings": {"retainedBackups": 7, "retentionUnit": "COUNT"},
            "settings.connectorEnforcement": "NOT_REQUIRED",
            "settings.diskSize": 10,
            "settings.diskType": "PD_SSD",
            "settings.ipConfiguration.sslMode": "ALLOW_UNENCRYPTED_AND_ENCRYPTED",
            "settings.ipConfiguration.serverCaMode": "GOOGLE_MANAGED_INTERNAL_CA",
            "settings.version": 1,
        },
        computed={
            "connectionName": lambda made: ":".join(
                (made.project, str(made.outputs.get("region") or ""), str(made.inputs["name"]))
            ),
            "dnsName": _sql_dns,
            "firstIpAddress": lambda made: (_sql_addresses(made) or [{"ipAddress": ""}])[0]["ipAddress"],
            "ipAddresses": _sql_addresses,
            "privateIpAddress": _sql_private,
            "publicIpAddress": _sql_public,
            "selfLink": "https://sqladmin.googleapis.com/sql/v1beta4/projects/{project}/instances/{name}",
            "serverCaCerts": _sql_ca,
            "serviceAccountEmailAddress": lambda made: (
                f"p{made.number}-{made.hex(6, 'sa')}@gcp-sa-cloud-sql.iam.gserviceaccount.com"
            ),
            "availableMaintenanceVersions": lambda _made: [],
            "pscServiceAttachmentLink": lambda _made: "",
        },
        virtual={"deletionProtection": True},
        protections={
            "deletionProtection": (
                "Error, failed to delete instance because deletion_protection is set to true. "
                "Set it to false to proceed with instance deletion"
            )
        },
        secret_outputs=("rootPassword", "rootPasswordWo"),
        api="sqladmin.googleapis.com",
        reservation=Reservation(
            7,
            "The Cloud SQL instance {name} already exists. When you delete an instance, you can't reuse the name of "
            "the deleted instance until one week from the deletion date.",
        ),
    ),
    "gcp:sql/database:Database": Rule(
        immutable=("instance", "name", "project"),
        server_defaults={"charset": "UTF8", "collation": "en_US.UTF8"},
        computed={
            "selfLink": (
                "https://sqladmin.googleapis.com/sql/v1beta4/projects/{project}/instances/{instance}/databases/{name}"
            )
        },
        api="sqladmin.googleapis.com",
        parents=(Parent(INSTANCE, "{instance|last}"),),
    ),
    "gcp:sql/user:User": Rule(
        immutable=("host", "instance", "name", "project", "type"),
        server_defaults={"host": ""},
        computed={
            "iamEmail": lambda made: (
                f"{made.inputs['name']}.gserviceaccount.com" if "SERVICE_ACCOUNT" in made.inputs.get("type", "") else ""
            ),
            "sqlServerUserDetails": lambda _made: [],
        },
        virtual={"password": None, "passwordWo": None, "passwordWoVersion": None},
        secret_outputs=("password", "passwordWo"),
        api="sqladmin.googleapis.com",
        parents=(Parent(INSTANCE, "{instance|last}"),),
    ),
    # --- storage -------------------------------------------------------------------------------------------------
    BUCKET: Rule(
        immutable=(
            "customPlacementConfig.dataLocations",
            "enableObjectRetention",
            "hierarchicalNamespace",
            "location",
            "name",
            "project",
        ),
        replace_when={"retentionPolicy.isLocked": _is_unlocked},
        unordered=("customPlacementConfig.dataLocations",),
        check_defaults={"softDeletePolicy.retentionDurationSeconds": 604800, "storageClass": "STANDARD"},
        plan_defaults={"forceDestroy": False, "retentionPolicy.isLocked": False},
        server_defaults={
            "publicAccessPrevention": "inherited",
            "softDeletePolicy": {"retentionDurationSeconds": 604800},
            "uniformBucketLevelAccess": False,
            "rpo": "DEFAULT",
        },
        computed={
            "projectNumber": lambda made: int(made.number),
            "selfLink": "https://www.googleapis.com/storage/v1/b/{name}",
            "timeCreated": "{now}",
            "updated": "{now}",
            "url": "gs://{name}",
        },
        virtual={"forceDestroy": False},
        # No reservation: a soft-deleted bucket can be restored, but its name is free for anyone at once.
        api="storage.googleapis.com",
    ),
    "gcp:storage/bucketObject:BucketObject": Rule(
        immutable=(
            "bucket",
            "cacheControl",
            "contentDisposition",
            "contentEncoding",
            "contentLanguage",
            "contentType",
            "forceEmptyContentType",
            "kmsKeyName",
            "metadata",
            "name",
            "source",
            "storageClass",
        ),
        check_defaults={"detectMd5hash": "different hash"},
        server_defaults={"contentType": "text/plain; charset=utf-8", "storageClass": "STANDARD"},
        computed={
            "crc32c": lambda made: made.hex(6, "crc") + "==",
            "generation": lambda made: 1_790_000_000_000_000 + made.digits("generation", 10**14),
            "md5hash": content_md5_base64,
            "md5hexhash": content_md5_hex,
            "mediaLink": "https://storage.googleapis.com/download/storage/v1/b/{bucket}/o/{name|quote}?alt=media",
            "outputName": "{name}",
            "selfLink": "https://www.googleapis.com/storage/v1/b/{bucket}/o/{name|quote}",
        },
        recomputed=("crc32c", "generation", "md5hash", "md5hexhash"),
        virtual={"content": None, "source": None, "detectMd5hash": "different hash", "forceEmptyContentType": None},
        secret_outputs=("content",),
        api="storage.googleapis.com",
        on_exists="adopt",
        parents=(Parent(BUCKET, "{bucket}", "block"),),
    ),
    "gcp:storage/bucketIAMMember:BucketIAMMember": _iam(
        Parent(BUCKET, "{bucket}"), "bucket", api="storage.googleapis.com"
    ),
    "gcp:storage/bucketIAMBinding:BucketIAMBinding": _iam(
        Parent(BUCKET, "{bucket}"), "bucket", binding=True, api="storage.googleapis.com"
    ),
    "gcp:storage/managedFolder:ManagedFolder": Rule(
        immutable=("bucket", "name"),
        plan_defaults={"forceDestroy": False},
        computed={
            "createTime": "{now}",
            "updateTime": "{now}",
            "metageneration": lambda _made: "1",
            "selfLink": "https://www.googleapis.com/storage/v1/b/{bucket}/managedFolders/{name|quote}",
        },
        virtual={"forceDestroy": False},
        api="storage.googleapis.com",
        parents=(Parent(BUCKET, "{bucket}", "block"),),
    ),
    "gcp:storage/managedFolderIamBinding:ManagedFolderIamBinding": _iam(
        Parent("gcp:storage/managedFolder:ManagedFolder", "{bucket}/{managedFolder}"),
        "bucket",
        "managedFolder",
        binding=True,
        api="storage.googleapis.com",
    ),
    "gcp:storage/managedFolderIamMember:ManagedFolderIamMember": _iam(
        Parent("gcp:storage/managedFolder:ManagedFolder", "{bucket}/{managedFolder}"),
        "bucket",
        "managedFolder",
        api="storage.googleapis.com",
    ),
    # --- secrets -------------------------------------------------------------------------------------------------
    SECRET: Rule(
        immutable=("project", "replication", "secretId", "tags"),
        plan_defaults={"deletionProtection": False},
        computed={
            # The API answers with the project's number, whatever the request named.
            "name": "projects/{number}/secrets/{secretId}",
            "createTime": "{now}",
            "effectiveAnnotations": lambda made: dict(made.inputs.get("annotations") or {}),
            "expireTime": lambda _made: "",
        },
        virtual={"deletionProtection": False},
        protections={
            "deletionProtection": (
                "cannot destroy secret manager secret without setting deletion_protection=false and running `pulumi up`"
            )
        },
        api="secretmanager.googleapis.com",
    ),
    "gcp:secretmanager/secretVersion:SecretVersion": Rule(
        immutable=("isSecretDataBase64", "project", "secret", "secretData", "secretDataWoVersion"),
        check_defaults={"enabled": True},
        computed={
            "name": "{id}",
            "version": _secret_version_number,
            "createTime": "{now}",
            "destroyTime": lambda _made: "",
        },
        numbered_by="secret",
        id_from=_secret_version_id,
        secret_outputs=("secretData", "secretDataWo"),
        api="secretmanager.googleapis.com",
        parents=(Parent(SECRET, "projects/{project}/secrets/{secret|last}"),),
    ),
    "gcp:secretmanager/secretIamMember:SecretIamMember": _iam(
        Parent(SECRET, "projects/{project}/secrets/{secretId|last}"),
        "project",
        "secretId",
        api="secretmanager.googleapis.com",
    ),
    "gcp:secretmanager/secretIamBinding:SecretIamBinding": _iam(
        Parent(SECRET, "projects/{project}/secrets/{secretId|last}"),
        "project",
        "secretId",
        binding=True,
        api="secretmanager.googleapis.com",
    ),
    # --- logs ----------------------------------------------------------------------------------------------------
    "gcp:logging/projectSink:ProjectSink": Rule(
        immutable=("name", "project"),
        check_defaults={"uniqueWriterIdentity": True},
        plan_defaults={"exclusions.disabled": False},
        computed={"writerIdentity": _sink_writer},
        api="logging.googleapis.com",
    ),
    "gcp:logging/projectBucketConfig:ProjectBucketConfig": Rule(
        immutable=("bucketId", "location", "project"),
        check_defaults={"retentionDays": 30},
        server_defaults={"description": ""},
        computed={"name": "{id}", "lifecycleState": lambda _made: "ACTIVE"},
        api="logging.googleapis.com",
        reservation=Reservation(7, "A bucket {id} is pending deletion: its id can be used again after seven days."),
    ),
    "gcp:logging/metric:Metric": Rule(
        immutable=("project", "metricDescriptor.labels.key", "metricDescriptor.labels.valueType"),
        unordered=("metricDescriptor.labels",),
        check_defaults={"metricDescriptor.unit": "1", "metricDescriptor.labels.valueType": "STRING"},
        server_defaults={"metricDescriptor": {"metricKind": "DELTA", "valueType": "INT64", "unit": "1"}},
        api="logging.googleapis.com",
    ),
    # --- monitoring ----------------------------------------------------------------------------------------------
    "gcp:monitoring/notificationChannel:NotificationChannel": Rule(
        immutable=("project",),
        check_defaults={"enabled": True},
        plan_defaults={"forceDelete": False},
        computed={"name": "{id}", "verificationStatus": lambda _made: ""},
        id_from="projects/{project}/notificationChannels/{digits}",
        virtual={"forceDelete": False, "sensitiveLabels": None},
        secret_outputs=("sensitiveLabels",),
        api="monitoring.googleapis.com",
    ),
    "gcp:monitoring/uptimeCheckConfig:UptimeCheckConfig": Rule(
        immutable=(
            "checkerType",
            "httpCheck.requestMethod",
            "monitoredResource",
            "project",
            "resourceGroup",
            "syntheticMonitor",
        ),
        check_defaults={
            "contentMatchers.matcher": "CONTAINS_STRING",
            "contentMatchers.jsonPathMatcher.jsonMatcher": "EXACT_MATCH",
            "httpCheck.path": "/",
            "httpCheck.requestMethod": "GET",
            "period": "300s",
        },
        server_defaults={"checkerType": "STATIC_IP_CHECKERS"},
        computed={"name": "{id}", "uptimeCheckId": lambda made: made.id.rsplit("/", 1)[-1]},
        id_from=lambda made: f"projects/{made.project}/uptimeCheckConfigs/check-{made.hex(11)}",
        api="monitoring.googleapis.com",
    ),
    "gcp:monitoring/alertPolicy:AlertPolicy": Rule(
        immutable=("project",),
        check_defaults={"enabled": True, "documentation.mimeType": "text/markdown"},
        computed={
            "name": "{id}",
            "creationRecords": lambda made: [{"mutateTime": made.now, "mutatedBy": "deployer"}],
        },
        id_from="projects/{project}/alertPolicies/{digits}",
        api="monitoring.googleapis.com",
    ),
    "gcp:monitoring/customService:CustomService": Rule(
        immutable=("project", "serviceId"),
        computed={"serviceId": lambda made: made.hex(22), "name": "{id}"},
        api="monitoring.googleapis.com",
    ),
    "gcp:monitoring/genericService:GenericService": Rule(
        immutable=("basicService", "project", "serviceId"),
        computed={"name": "{id}", "telemetries": lambda _made: []},
        api="monitoring.googleapis.com",
    ),
    "gcp:monitoring/slo:Slo": Rule(
        immutable=("project", "service", "sloId"),
        check_defaults={"basicSli.availability.enabled": True},
        computed={"sloId": lambda made: made.hex(22), "name": "{id}"},
        api="monitoring.googleapis.com",
    ),
    "gcp:monitoring/dashboard:Dashboard": Rule(
        immutable=("project",),
        id_from="projects/{number}/dashboards/{uuid}",
        json_text=("dashboardJson",),
        api="monitoring.googleapis.com",
    ),
    "gcp:billing/budget:Budget": Rule(
        immutable=("billingAccount",),
        unordered=("budgetFilter.projects",),
        check_defaults={
            "allUpdatesRule.schemaVersion": "1.0",
            "budgetFilter.creditTypesTreatment": "INCLUDE_ALL_CREDITS",
            "thresholdRules.spendBasis": "CURRENT_SPEND",
        },
        plan_defaults={
            "allUpdatesRule.disableDefaultIamRecipients": False,
            "allUpdatesRule.enableProjectLevelRecipients": False,
        },
        computed={"name": "{uuid}"},
        id_from="billingAccounts/{billingAccount}/budgets/{uuid}",
        api="billingbudgets.googleapis.com",
    ),
    # --- runtime -------------------------------------------------------------------------------------------------
    "gcp:workflows/workflow:Workflow": Rule(
        immutable=("name", "namePrefix", "project", "region", "tags"),
        check_defaults={"deletionProtection": True},
        server_defaults={"description": ""},
        computed={
            "serviceAccount": lambda made: (
                f"projects/{made.project}/serviceAccounts/{made.number}-compute@developer.gserviceaccount.com"
            ),
            "createTime": "{now}",
            "updateTime": "{now}",
            "revisionId": lambda made: f"000001-{made.hex(3, 'revision')}",
            "state": lambda _made: "ACTIVE",
        },
        virtual={"deletionProtection": True},
        protections={"deletionProtection": _WORKFLOW_DELETE},
        api="workflows.googleapis.com",
    ),
    "gcp:cloudscheduler/job:Job": Rule(
        immutable=("name", "project", "region"),
        check_defaults={"attemptDeadline": "180s", "timeZone": "Etc/UTC"},
        server_defaults={"paused": False},
        computed={"state": lambda made: "PAUSED" if made.inputs.get("paused") else "ENABLED"},
        recomputed=("state",),
        api="cloudscheduler.googleapis.com",
    ),
    "gcp:cloudrunv2/job:Job": Rule(
        immutable=("location", "name", "project", "tags"),
        check_defaults={
            "deletionProtection": True,
            "template.template.maxRetries": 3,
            "template.template.volumes.emptyDir.medium": "MEMORY",
            **{f"template.template.containers.startupProbe.{key}": value for key, value in _PROBE_DEFAULTS.items()},
        },
        plan_defaults={"template.template.containers.startupProbe.initialDelaySeconds": 0},
        unordered=("template.template.containers.envs",),
        server_defaults={
            "launchStage": "GA",
            "template.taskCount": 1,
            "template.parallelism": 0,
            "template.template.timeout": "600s",
            "template.template.executionEnvironment": "EXECUTION_ENVIRONMENT_GEN2",
        },
        computed=_run_common("job"),
        virtual={"deletionProtection": True},
        protections={
            "deletionProtection": (
                "cannot destroy job without setting deletion_protection=false and running `pulumi up`"
            )
        },
        api="run.googleapis.com",
    ),
    "gcp:cloudrunv2/service:Service": Rule(
        immutable=("location", "name", "project", "tags"),
        check_defaults={
            "deletionProtection": True,
            "template.volumes.emptyDir.medium": "MEMORY",
            **{
                f"template.containers.{probe}.{key}": value
                for probe in _PROBES
                for key, value in {**_PROBE_DEFAULTS, "httpGet.path": "/"}.items()
            },
        },
        plan_defaults={f"template.containers.{probe}.initialDelaySeconds": 0 for probe in _PROBES},
        unordered=("template.containers.envs",),
        server_defaults={
            "ingress": "INGRESS_TRAFFIC_ALL",
            "launchStage": "GA",
            "template.timeout": "300s",
            "template.maxInstanceRequestConcurrency": 80,
        },
        computed=_run_common("service"),
        recomputed=("latestCreatedRevision", "latestReadyRevision"),
        virtual={"deletionProtection": True},
        protections={
            "deletionProtection": (
                "cannot destroy service without setting deletion_protection=false and running `pulumi up`"
            )
        },
        api="run.googleapis.com",
        check=revisions.check,
    ),
    "gcp:cloudrunv2/jobIamMember:JobIamMember": _iam(
        Parent("gcp:cloudrunv2/job:Job", "projects/{project}/locations/{location}/jobs/{name|last}"),
        "location",
        "name",
        "project",
        api="run.googleapis.com",
    ),
    "gcp:cloudrunv2/serviceIamMember:ServiceIamMember": _iam(
        Parent("gcp:cloudrunv2/service:Service", "projects/{project}/locations/{location}/services/{name|last}"),
        "location",
        "name",
        "project",
        api="run.googleapis.com",
    ),
    "gcp:cloudrunv2/serviceIamBinding:ServiceIamBinding": _iam(
        Parent("gcp:cloudrunv2/service:Service", "projects/{project}/locations/{location}/services/{name|last}"),
        "location",
        "name",
        "project",
        binding=True,
        api="run.googleapis.com",
    ),
    "gcp:artifactregistry/repository:Repository": Rule(
        immutable=(
            "format",
            "kmsKeyName",
            "location",
            "mavenConfig.allowSnapshotOverwrites",
            "mavenConfig.versionPolicy",
            "mode",
            "project",
            "remoteRepositoryConfig",
            "repositoryId",
        ),
        unordered=("cleanupPolicies",),
        check_defaults={"mode": "STANDARD_REPOSITORY", "cleanupPolicies.condition.tagState": "ANY"},
        computed={
            "name": "{repositoryId}",
            "createTime": "{now}",
            "updateTime": "{now}",
            "registryUri": lambda made: (
                f"{made.outputs['location']}-docker.pkg.dev/{made.project}/{made.inputs['repositoryId']}"
            ),
        },
        api="artifactregistry.googleapis.com",
    ),
    TOPIC: Rule(
        immutable=("name", "project", "tags"),
        check_defaults={"schemaSettings.encoding": "ENCODING_UNSPECIFIED"},
        plan_defaults={"messageTransforms.disabled": False},
        unordered=("messageStoragePolicy.allowedPersistenceRegions",),
        server_defaults={"messageStoragePolicy": {"allowedPersistenceRegions": []}},
        api="pubsub.googleapis.com",
    ),
    SUBSCRIPTION: Rule(
        immutable=("enableMessageOrdering", "filter", "name", "project", "tags", "topic"),
        check_defaults={"cloudStorageConfig.maxDuration": "300s", "messageRetentionDuration": "604800s"},
        server_defaults={"ackDeadlineSeconds": 10, "expirationPolicy": {"ttl": "2678400s"}},
        api="pubsub.googleapis.com",
        check=_check_subscription,
    ),
    "gcp:pubsub/subscriptionIAMMember:SubscriptionIAMMember": _iam(
        Parent(SUBSCRIPTION, "projects/{project}/subscriptions/{subscription|last}"),
        "project",
        "subscription",
        api="pubsub.googleapis.com",
    ),
    "gcp:pubsub/topicIAMMember:TopicIAMMember": _iam(
        Parent("gcp:pubsub/topic:Topic", "projects/{project}/topics/{topic|last}"),
        "project",
        "topic",
        api="pubsub.googleapis.com",
    ),
}


def _first_host(cidr: str) -> str:
    import ipaddress  # noqa: PLC0415 - only subnetworks need it

    return str(next(ipaddress.ip_network(cidr, strict=False).hosts())) if cidr else ""
