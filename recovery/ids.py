"""How the id of a cloud object follows from its inputs: the ground that crash recovery stands on.

A resource whose id is a function of its inputs can be found again after a crash; one whose id the server assigns can
only be looked for by a label. Templates name inputs by their wire names and the defaults ``project``, ``region`` and
``projectNumber`` of the provider. Source: the ``SetId`` calls and the importers of the google provider.

Placeholders take filters: ``{x|last}`` keeps the part after the last slash, ``{x|quote}`` is URL-escaped, and so on.
"""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from recovery import ids_aws

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ID_TEMPLATES: Final[Mapping[str, str]] = {
    **ids_aws.ID_TEMPLATES,
    "gcp:artifactregistry/repository:Repository": "projects/{project}/locations/{location}/repositories/{repositoryId}",
    "gcp:cloudrunv2/job:Job": "projects/{project}/locations/{location}/jobs/{name}",
    "gcp:cloudrunv2/jobIamMember:JobIamMember": (
        "projects/{project}/locations/{location}/jobs/{name|last}/{role}/{member}"
    ),
    "gcp:cloudrunv2/service:Service": "projects/{project}/locations/{location}/services/{name}",
    "gcp:cloudrunv2/serviceIamMember:ServiceIamMember": (
        "projects/{project}/locations/{location}/services/{name|last}/{role}/{member}"
    ),
    "gcp:cloudscheduler/job:Job": "projects/{project}/locations/{region}/jobs/{name}",
    "gcp:cloudrunv2/serviceIamBinding:ServiceIamBinding": (
        "projects/{project}/locations/{location}/services/{name|last}/{role}"
    ),
    "gcp:compute/backendBucket:BackendBucket": "projects/{project}/global/backendBuckets/{name}",
    "gcp:compute/backendService:BackendService": "projects/{project}/global/backendServices/{name}",
    "gcp:compute/firewall:Firewall": "projects/{project}/global/firewalls/{name}",
    "gcp:compute/globalAddress:GlobalAddress": "projects/{project}/global/addresses/{name}",
    "gcp:compute/globalForwardingRule:GlobalForwardingRule": "projects/{project}/global/forwardingRules/{name}",
    "gcp:compute/managedSslCertificate:ManagedSslCertificate": "projects/{project}/global/sslCertificates/{name}",
    "gcp:compute/network:Network": "projects/{project}/global/networks/{name}",
    "gcp:compute/regionNetworkEndpointGroup:RegionNetworkEndpointGroup": (
        "projects/{project}/regions/{region}/networkEndpointGroups/{name}"
    ),
    "gcp:compute/router:Router": "projects/{project}/regions/{region}/routers/{name}",
    "gcp:compute/routerNat:RouterNat": "{project}/{region}/{router|last}/{name}",
    "gcp:compute/sSLPolicy:SSLPolicy": "projects/{project}/global/sslPolicies/{name}",
    "gcp:compute/securityPolicy:SecurityPolicy": "projects/{project}/global/securityPolicies/{name}",
    "gcp:compute/subnetwork:Subnetwork": "projects/{project}/regions/{region}/subnetworks/{name}",
    "gcp:compute/targetHttpProxy:TargetHttpProxy": "projects/{project}/global/targetHttpProxies/{name}",
    "gcp:compute/targetHttpsProxy:TargetHttpsProxy": "projects/{project}/global/targetHttpsProxies/{name}",
    "gcp:compute/uRLMap:URLMap": "projects/{project}/global/urlMaps/{name}",
    "gcp:dns/managedZone:ManagedZone": "projects/{project}/managedZones/{name}",
    "gcp:dns/recordSet:RecordSet": "projects/{project}/managedZones/{managedZone|last}/rrsets/{name}/{type}",
    "gcp:firestore/database:Database": "projects/{project}/databases/{name}",
    "gcp:iam/workloadIdentityPool:WorkloadIdentityPool": (
        "projects/{project}/locations/global/workloadIdentityPools/{workloadIdentityPoolId}"
    ),
    "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider": (
        "projects/{project}/locations/global/workloadIdentityPools/{workloadIdentityPoolId}"
        "/providers/{workloadIdentityPoolProviderId}"
    ),
    "gcp:kms/cryptoKey:CryptoKey": "{keyRing}/cryptoKeys/{name}",
    "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember": "{cryptoKeyId}/{role}/{member}",
    "gcp:kms/keyRing:KeyRing": "projects/{project}/locations/{location}/keyRings/{name}",
    "gcp:logging/metric:Metric": "{name}",
    "gcp:logging/projectBucketConfig:ProjectBucketConfig": (
        "projects/{project|last}/locations/{location}/buckets/{bucketId}"
    ),
    "gcp:logging/projectSink:ProjectSink": "projects/{project}/sinks/{name}",
    "gcp:monitoring/customService:CustomService": "projects/{projectNumber}/services/{serviceId}",
    "gcp:monitoring/genericService:GenericService": "projects/{project}/services/{serviceId}",
    "gcp:monitoring/slo:Slo": "projects/{projectNumber}/services/{service|last}/serviceLevelObjectives/{sloId}",
    "gcp:projects/iAMAuditConfig:IAMAuditConfig": "{project}/audit_config/{service}",
    "gcp:projects/iAMCustomRole:IAMCustomRole": "projects/{project}/roles/{roleId}",
    "gcp:projects/iAMMember:IAMMember": "{project}/{role}/{member}",
    "gcp:projects/service:Service": "{project}/{service}",
    "gcp:projects/serviceIdentity:ServiceIdentity": "projects/{project}/services/{service}",
    "gcp:pubsub/subscription:Subscription": "projects/{project}/subscriptions/{name}",
    "gcp:pubsub/subscriptionIAMMember:SubscriptionIAMMember": (
        "projects/{project}/subscriptions/{subscription|last}/{role}/{member}"
    ),
    "gcp:pubsub/topic:Topic": "projects/{project}/topics/{name}",
    "gcp:pubsub/topicIAMMember:TopicIAMMember": "projects/{project}/topics/{topic|last}/{role}/{member}",
    "gcp:secretmanager/secret:Secret": "projects/{project}/secrets/{secretId}",
    "gcp:secretmanager/secretIamBinding:SecretIamBinding": "projects/{project}/secrets/{secretId|last}/{role}",
    "gcp:secretmanager/secretIamMember:SecretIamMember": "projects/{project}/secrets/{secretId|last}/{role}/{member}",
    "gcp:serviceaccount/account:Account": (
        "projects/{project}/serviceAccounts/{accountId}@{project}.iam.gserviceaccount.com"
    ),
    "gcp:serviceaccount/iAMBinding:IAMBinding": "{serviceAccountId}/{role}",
    "gcp:serviceaccount/iAMMember:IAMMember": "{serviceAccountId}/{role}/{member}",
    "gcp:servicenetworking/connection:Connection": "{network|quote}:{service}",
    "gcp:sql/database:Database": "projects/{project}/instances/{instance|last}/databases/{name}",
    "gcp:sql/databaseInstance:DatabaseInstance": "{name}",
    "gcp:sql/user:User": "{name}/{host?}/{instance|last}",
    "gcp:storage/bucket:Bucket": "{name}",
    "gcp:storage/bucketIAMBinding:BucketIAMBinding": "b/{bucket}/{role}",
    "gcp:storage/bucketIAMMember:BucketIAMMember": "b/{bucket}/{role}/{member}",
    "gcp:storage/bucketObject:BucketObject": "{bucket}-{name}",
    "gcp:storage/managedFolder:ManagedFolder": "{bucket}/{name}",
    "gcp:storage/managedFolderIamBinding:ManagedFolderIamBinding": "b/{bucket}/managedFolders/{managedFolder}/{role}",
    "gcp:storage/managedFolderIamMember:ManagedFolderIamMember": (
        "b/{bucket}/managedFolders/{managedFolder}/{role}/{member}"
    ),
    "gcp:workflows/workflow:Workflow": "projects/{project}/locations/{region}/workflows/{name}",
    "vercel:index/firewallConfig:FirewallConfig": "{teamId}/{projectId}",
    "vercel:index/projectDeploymentRetention:ProjectDeploymentRetention": "{teamId}/{projectId}",
    "vercel:index/projectDomain:ProjectDomain": "{domain}",
    "vercel:index/projectEnvironmentVariables:ProjectEnvironmentVariables": "{projectId}",
    "vercel:index/projectRollingRelease:ProjectRollingRelease": "{projectId}",
}
"""The id that the provider puts into the state. A grant's ``condition`` adds its title, description and expression."""

IMPORT_TEMPLATES: Final[Mapping[str, str]] = {
    **ids_aws.IMPORT_TEMPLATES,
    "gcp:cloudrunv2/jobIamMember:JobIamMember": (
        "projects/{project}/locations/{location}/jobs/{name|last} {role} {member}"
    ),
    "gcp:cloudrunv2/serviceIamMember:ServiceIamMember": (
        "projects/{project}/locations/{location}/services/{name|last} {role} {member}"
    ),
    "gcp:cloudrunv2/serviceIamBinding:ServiceIamBinding": (
        "projects/{project}/locations/{location}/services/{name|last} {role}"
    ),
    "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember": "{cryptoKeyId} {role} {member}",
    "gcp:projects/iAMAuditConfig:IAMAuditConfig": "{project} {service}",
    "gcp:projects/iAMMember:IAMMember": "{project} {role} {member}",
    "gcp:pubsub/subscriptionIAMMember:SubscriptionIAMMember": (
        "projects/{project}/subscriptions/{subscription|last} {role} {member}"
    ),
    "gcp:pubsub/topicIAMMember:TopicIAMMember": "projects/{project}/topics/{topic|last} {role} {member}",
    "gcp:secretmanager/secretIamBinding:SecretIamBinding": "projects/{project}/secrets/{secretId|last} {role}",
    "gcp:secretmanager/secretIamMember:SecretIamMember": "projects/{project}/secrets/{secretId|last} {role} {member}",
    "gcp:serviceaccount/iAMBinding:IAMBinding": "{serviceAccountId} {role}",
    "gcp:serviceaccount/iAMMember:IAMMember": "{serviceAccountId} {role} {member}",
    "gcp:sql/user:User": "{project}/{instance|last}/{name}",
    "gcp:storage/bucketIAMBinding:BucketIAMBinding": "b/{bucket} {role}",
    "gcp:storage/bucketIAMMember:BucketIAMMember": "b/{bucket} {role} {member}",
    "gcp:storage/managedFolderIamBinding:ManagedFolderIamBinding": "b/{bucket}/managedFolders/{managedFolder} {role}",
    "gcp:storage/managedFolderIamMember:ManagedFolderIamMember": (
        "b/{bucket}/managedFolders/{managedFolder} {role} {member}"
    ),
    "vercel:index/customEnvironment:CustomEnvironment": "{projectId}/{name}",
    "vercel:index/projectDomain:ProjectDomain": "{projectId}/{domain}",
    "vercel:index/projectEnvironmentVariable:ProjectEnvironmentVariable": "{projectId}/{id}",
}
"""Where the id that an import takes is not the id that the state holds. A grant's condition title is a further word."""

NOT_IMPORTABLE: Final[frozenset[str]] = frozenset(
    {
        *ids_aws.NOT_IMPORTABLE,
        "gcp:projects/serviceIdentity:ServiceIdentity",
        "gcp:storage/bucketObject:BucketObject",
        "gcp:workflows/workflow:Workflow",
        "vercel:index/projectEnvironmentVariables:ProjectEnvironmentVariables",
        "vercel:index/webhook:Webhook",
    }
)
"""No importer: the provider reads these only with their properties beside the id (outputs = inputs in the state)."""

REPEATABLE: Final[frozenset[str]] = frozenset(
    {
        *ids_aws.REPEATABLE,
        "gcp:cloudrunv2/jobIamMember:JobIamMember",
        "gcp:cloudrunv2/serviceIamBinding:ServiceIamBinding",
        "gcp:cloudrunv2/serviceIamMember:ServiceIamMember",
        "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember",
        "gcp:projects/iAMAuditConfig:IAMAuditConfig",
        "gcp:projects/iAMMember:IAMMember",
        "gcp:projects/service:Service",
        "gcp:projects/serviceIdentity:ServiceIdentity",
        "gcp:pubsub/subscriptionIAMMember:SubscriptionIAMMember",
        "gcp:pubsub/topicIAMMember:TopicIAMMember",
        "gcp:secretmanager/secretIamBinding:SecretIamBinding",
        "gcp:secretmanager/secretIamMember:SecretIamMember",
        "gcp:serviceaccount/iAMBinding:IAMBinding",
        "gcp:serviceaccount/iAMMember:IAMMember",
        "gcp:storage/bucketIAMBinding:BucketIAMBinding",
        "gcp:storage/bucketIAMMember:BucketIAMMember",
        "gcp:storage/bucketObject:BucketObject",
        "gcp:storage/managedFolderIamBinding:ManagedFolderIamBinding",
        "gcp:storage/managedFolderIamMember:ManagedFolderIamMember",
        "vercel:index/firewallConfig:FirewallConfig",
        "vercel:index/projectDeploymentRetention:ProjectDeploymentRetention",
    }
)
"""A second create of the same thing succeeds and changes nothing: the calls behind them set a value."""

SERVER_ASSIGNED: Final[Mapping[str, str]] = {
    **ids_aws.SERVER_ASSIGNED,
    "gcp:billing/budget:Budget": "displayName",
    "gcp:firestore/backupSchedule:BackupSchedule": "database",
    "gcp:monitoring/alertPolicy:AlertPolicy": "displayName",
    "gcp:monitoring/dashboard:Dashboard": "dashboardJson",
    "gcp:monitoring/notificationChannel:NotificationChannel": "displayName",
    "gcp:monitoring/uptimeCheckConfig:UptimeCheckConfig": "displayName",
    "gcp:secretmanager/secretVersion:SecretVersion": "secret",
    "vercel:index/customEnvironment:CustomEnvironment": "name",
    "vercel:index/logDrain:LogDrain": "name",
    "vercel:index/project:Project": "name",
    "vercel:index/projectEnvironmentVariable:ProjectEnvironmentVariable": "key",
    "vercel:index/webhook:Webhook": "endpoint",
}
"""Ids chosen by the server: a second create is a duplicate. The value is the property to look for."""

READ_BY_NAME: Final[frozenset[str]] = ids_aws.READ_BY_NAME
"""The server assigns the id, but the read takes the unique name as well and answers with the id."""

READ_THROUGH_NAME: Final[Mapping[str, str]] = {
    "gcp:billing/budget:Budget": "{id|last}",
    "gcp:firestore/backupSchedule:BackupSchedule": "{id|last}",
    "gcp:monitoring/alertPolicy:AlertPolicy": "{id}",
    "gcp:monitoring/customService:CustomService": "{id}",
    "gcp:monitoring/notificationChannel:NotificationChannel": "{id}",
    "gcp:monitoring/slo:Slo": "{id}",
    "gcp:monitoring/uptimeCheckConfig:UptimeCheckConfig": "{id}",
    "gcp:secretmanager/secretVersion:SecretVersion": "{id}",
}
"""Read by the output `name` and not by the id: how that output follows from the id.

A state without it reads as gone; for a budget the provider even crashes, in its upgrade of the state's schema.
"""

_PLACEHOLDER: Final = re.compile(r"\{(?P<name>\w+)(?P<optional>\?)?(?:\|(?P<filter>\w+))?\}")


def _last(text: str) -> str:
    return text.rsplit("/", 1)[-1]


def _quote(text: str) -> str:
    return quote(text, safe="")


def _address(text: str) -> str:
    return text.removeprefix("https://")


def _crc32(text: str) -> str:
    return str(zlib.crc32(text.encode()))


def _log_group(text: str) -> str:
    """The name in ``arn:aws:logs:REGION:ACCOUNT:log-group:NAME:*``."""
    return text.removesuffix(":*").partition(":log-group:")[2]


def _underscore(text: str) -> str:
    return f"_{text}"


_FILTERS: Final[Mapping[str, Callable[[str], str]]] = {
    "address": _address,
    "crc32": _crc32,
    "last": _last,
    "log_group": _log_group,
    "quote": _quote,
    "underscore": _underscore,
}


def fill(template: str, values: Mapping[str, object], defaults: Mapping[str, str]) -> str | None:
    """Put values into a template; None where a value is missing or not (yet) a text."""
    missing = False

    def value_of(match: re.Match[str]) -> str:
        nonlocal missing
        value = values.get(match["name"])
        if value is None:
            value = defaults.get(match["name"])
        if value is None and match["name"] == "projectNumber":
            value = defaults.get("project")  # the API takes either and answers with the number
        if value is None and match["name"] == "teamId":
            value = defaults.get("team")  # what the provider calls it
        if not isinstance(value, str) or not value:
            missing = missing or match["optional"] is None
            return ""
        return _FILTERS[match["filter"]](value) if match["filter"] else value

    text = _PLACEHOLDER.sub(value_of, template)
    return None if missing else text


def derive_id(token: str, inputs: Mapping[str, object], defaults: Mapping[str, str]) -> str | None:
    """The id under which the state holds this resource; None when the server assigns it or an input is missing."""
    template = ID_TEMPLATES.get(token)
    if template is None:
        return None
    found = fill(template, inputs, defaults)
    condition = inputs.get("condition")
    if found is None or not isinstance(condition, dict):
        return found
    return "/".join([found, *(str(condition.get(part) or "") for part in ("title", "description", "expression"))])


def derive_import_id(token: str, inputs: Mapping[str, object], defaults: Mapping[str, str]) -> str | None:
    """The id that an import (a read with nothing but the id) takes; None when there is no way to import."""
    if token in NOT_IMPORTABLE:
        return None
    template = IMPORT_TEMPLATES.get(token)
    if template is None:
        return derive_id(token, inputs, defaults)
    found = fill(template, inputs, defaults)
    condition = inputs.get("condition")
    if found is None or not isinstance(condition, dict):
        return found
    return f"{found} {condition.get('title') or ''}"
