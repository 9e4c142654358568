"""The table's rows for Firestore, load balancing, subscriptions and workload identity."""

from __future__ import annotations

from collections.abc import Mapping

from tests.contract.forms import PROJECT, At, Outside, Resource, grant

_COMPUTE = {"project": "{project}"}
_POOL = PROJECT + "/locations/global/workloadIdentityPools/{workloadIdentityPoolId}"


def _of_compute(collection: str, differences: Mapping[str, At | Outside] | None = None) -> Resource:
    return Resource("compute.v1", f"{collection}.insert", _COMPUTE, differences=differences or {})


def _unless_empty(text: str) -> str | None:
    """The provider writes "" where the API wants the message without the field."""
    return text or None


EDGE: Mapping[str, Resource] = {
    "gcp:firestore/database:Database": Resource(
        "firestore.v1",
        "projects.databases.create",
        {"parent": PROJECT, "databaseId": "{name}"},
    ),
    "gcp:firestore/backupSchedule:BackupSchedule": Resource(
        "firestore.v1",
        "projects.databases.backupSchedules.create",
        {"parent": PROJECT + "/databases/{database}"},
    ),
    "gcp:compute/backendBucket:BackendBucket": _of_compute("backendBuckets"),
    "gcp:compute/backendService:BackendService": _of_compute(
        "backendServices",
        {
            "connectionDrainingTimeoutSec": At("connectionDraining.drainingTimeoutSec"),
            "enableCdn": At("enableCDN"),
        },
    ),
    "gcp:compute/globalForwardingRule:GlobalForwardingRule": _of_compute(
        "globalForwardingRules", {"ipAddress": At("IPAddress"), "ipProtocol": At("IPProtocol")}
    ),
    "gcp:compute/managedSslCertificate:ManagedSslCertificate": _of_compute("sslCertificates"),
    "gcp:compute/regionNetworkEndpointGroup:RegionNetworkEndpointGroup": Resource(
        "compute.v1", "regionNetworkEndpointGroups.insert", {"project": "{project}", "region": "{region}"}
    ),
    "gcp:compute/sSLPolicy:SSLPolicy": _of_compute("sslPolicies"),
    "gcp:compute/securityPolicy:SecurityPolicy": _of_compute("securityPolicies"),
    "gcp:compute/targetHttpProxy:TargetHttpProxy": _of_compute("targetHttpProxies"),
    "gcp:compute/targetHttpsProxy:TargetHttpsProxy": _of_compute("targetHttpsProxies"),
    "gcp:compute/uRLMap:URLMap": _of_compute("urlMaps"),
    "gcp:iam/workloadIdentityPool:WorkloadIdentityPool": Resource(
        "iam.v1",
        "projects.locations.workloadIdentityPools.create",
        {"parent": PROJECT + "/locations/global", "workloadIdentityPoolId": "{workloadIdentityPoolId}"},
    ),
    "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider": Resource(
        "iam.v1",
        "projects.locations.workloadIdentityPools.providers.create",
        {"parent": _POOL, "workloadIdentityPoolProviderId": "{workloadIdentityPoolProviderId}"},
    ),
    "gcp:pubsub/subscription:Subscription": Resource(
        "pubsub.v1",
        "projects.subscriptions.create",
        {"name": "projects/{project}/subscriptions/{name:last}"},
        differences={"expirationPolicy.ttl": At("ttl", via=_unless_empty)},
    ),
    "gcp:pubsub/subscriptionIAMMember:SubscriptionIAMMember": grant(
        "pubsub.v1",
        "projects.subscriptions.setIamPolicy",
        {"resource": "projects/{project}/subscriptions/{subscription:last}"},
    ),
}
