"""Where the bridged provider's inputs and Google's API part ways, and why.

Whatever is not in these tables must be, name for name, in the request body of the method that creates the resource.
Two differences are so regular that the checker knows them itself: the bridge gives list properties plural names
(`envs` for `env`), and a property that fills a parameter of the URL need not be in the body as well.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

from tests.contract.forms import ON_DELETE, PROJECT, PROVIDER_ONLY, At, Outside, Resource, grant
from tests.contract.google_edge import EDGE


def _seconds_of_days(days: float) -> str:
    return f"{int(days) * 86400}s"


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


_WRITE_ONLY = Outside("write-only twin of another property, known to the provider alone")
_LATER_CALL = Outside("set by a second call after the create")

# Inputs that mean the same on every type that has them.
EVERYWHERE: Mapping[str, At | Outside] = {
    "deletionPolicy": ON_DELETE,
    "deletionProtection": Outside("a guard inside the provider, beside the API's own flag"),
}

_LOCATION = "projects/{project}/locations/{location}"
_REGION = "projects/{project}/locations/{region}"


_BUCKET_GRANT = grant("storage.v1", "buckets.setIamPolicy", {"bucket": "{bucket}"}, root="bindings.[]")
_FOLDER_GRANT = grant(
    "storage.v1",
    "managedFolders.setIamPolicy",
    {"bucket": "{bucket}", "managedFolder": "{managedFolder}"},
    root="bindings.[]",
)
_SECRET_GRANT = grant(
    "secretmanager.v1", "projects.secrets.setIamPolicy", {"resource": "projects/{project}/secrets/{secretId:last}"}
)
_KEY_GRANT = grant("cloudkms.v1", "projects.locations.keyRings.cryptoKeys.setIamPolicy", {"resource": "{cryptoKeyId}"})
_ACCOUNT_GRANT = grant("iam.v1", "projects.serviceAccounts.setIamPolicy", {"resource": "{serviceAccountId}"})
_PROJECT_GRANT = grant("cloudresourcemanager.v3", "projects.setIamPolicy", {"resource": PROJECT})
_TOPIC_GRANT = grant(
    "pubsub.v1", "projects.topics.setIamPolicy", {"resource": "projects/{project}/topics/{topic:last}"}
)
_RUN_JOB_GRANT = grant("run.v2", "projects.locations.jobs.setIamPolicy", {"resource": _LOCATION + "/jobs/{name:last}"})
_RUN_SERVICE_GRANT = grant(
    "run.v2", "projects.locations.services.setIamPolicy", {"resource": _LOCATION + "/services/{name:last}"}
)
_REPOSITORY_GRANT = grant(
    "artifactregistry.v1",
    "projects.locations.repositories.setIamPolicy",
    {"resource": _LOCATION + "/repositories/{repository:last}"},
)

_SQL_SETTINGS: Mapping[str, At | Outside] = {
    "encryptionKeyName": At("diskEncryptionConfiguration.kmsKeyName"),
    "clone": Outside("another method: instances.clone"),
    "restoreBackupContext": Outside("another method: instances.restoreBackup"),
    "pointInTimeRestoreContext": Outside("another method: instances.pointInTimeRestore"),
    "backupdrBackup": Outside("another method: instances.restoreBackup"),
    "finalBackupDescription": ON_DELETE,
    "enforceNewSqlNetworkArchitecture": PROVIDER_ONLY,
    "rootPasswordWo": _WRITE_ONLY,
    "rootPasswordWoVersion": _WRITE_ONLY,
    "settings.diskAutoresize": At("storageAutoResize"),
    "settings.diskAutoresizeLimit": At("storageAutoResizeLimit"),
    "settings.diskSize": At("dataDiskSizeGb"),
    "settings.diskType": At("dataDiskType"),
    "settings.denyMaintenancePeriod": At("denyMaintenancePeriods.[]"),
    "settings.connectionPoolConfigs": At("connectionPoolConfig", each=True),
    "settings.ipConfiguration.pscConfigs": At("pscConfig", each=True),
    "settings.ipConfiguration.pscConfigs[].pscAutoConnections[].consumerServiceProjectId": At("consumerProject"),
}

_BUCKET: Mapping[str, At | Outside] = {
    "uniformBucketLevelAccess": At("iamConfiguration.uniformBucketLevelAccess.enabled"),
    "publicAccessPrevention": At(
        "iamConfiguration.publicAccessPrevention", worded="^iamConfiguration.publicAccessPrevention"
    ),
    "requesterPays": At("billing.requesterPays"),
    "storageClass": At("storageClass", worded="^storageClass"),
    "autoclass.terminalStorageClass": At("terminalStorageClass", worded="^autoclass.terminalStorageClass"),
    "lifecycleRules": At("lifecycle.rule"),
    "lifecycleRules[].action.type": At("type", worded="^lifecycle.rule.[].action.type"),
    # The rule's own description names no class; the bucket's does.
    "lifecycleRules[].action.storageClass": At("storageClass", worded="^storageClass"),
    "lifecycleRules[].condition.matchesStorageClasses": At("matchesStorageClass", worded="^storageClass"),
    # The API has a boolean, and leaves it out for both.
    "lifecycleRules[].condition.withState": At(
        "isLive", via={"LIVE": True, "ARCHIVED": False, "ANY": None}.__getitem__
    ),
    "lifecycleRules[].condition.sendAgeIfZero": PROVIDER_ONLY,
    "lifecycleRules[].condition.sendDaysSinceCustomTimeIfZero": PROVIDER_ONLY,
    "lifecycleRules[].condition.sendDaysSinceNoncurrentTimeIfZero": PROVIDER_ONLY,
    "lifecycleRules[].condition.sendNumNewerVersionsIfZero": PROVIDER_ONLY,
    "lifecycleRules[].condition.sizeAboveBytes": Outside("the discovery document does not know this condition"),
    "lifecycleRules[].condition.sizeBelowBytes": Outside("the discovery document does not know this condition"),
    "forceDestroy": ON_DELETE,
}

_BUCKET_OBJECT: Mapping[str, At | Outside] = {
    "content": Outside("the object's bytes: the body of the upload, which has no schema"),
    "source": Outside("the object's bytes: the body of the upload, which has no schema"),
    "sourceMd5hash": PROVIDER_ONLY,
    "detectMd5hash": PROVIDER_ONLY,
    "forceEmptyContentType": PROVIDER_ONLY,
    "customerEncryption.encryptionKey": Outside("sent as a header"),
}

_SERVICE_LEVEL: Mapping[str, At | Outside] = {
    "rollingPeriodDays": At("rollingPeriod", via=_seconds_of_days),
    "basicSli": At("serviceLevelIndicator.basicSli"),
    "requestBasedSli": At("serviceLevelIndicator.requestBased"),
    "windowsBasedSli": At("serviceLevelIndicator.windowsBased"),
    "basicSli.availability.enabled": Outside("the API has an empty message here: presence is the value"),
    "windowsBasedSli.goodTotalRatioThreshold.basicSliPerformance.availability.enabled": Outside(
        "the API has an empty message here: presence is the value"
    ),
}

RESOURCES: Mapping[str, Resource] = {
    **EDGE,
    "gcp:projects/service:Service": Resource(
        "serviceusage.v1",
        "services.enable",
        {"name": PROJECT + "/services/{service}"},
        differences={
            "disableOnDestroy": ON_DELETE,
            "disableDependentServices": ON_DELETE,
            "checkIfServiceHasUsageOnDestroy": ON_DELETE,
        },
    ),
    "gcp:projects/serviceIdentity:ServiceIdentity": Resource(
        "serviceusage.v1beta1", "services.generateServiceIdentity", {"parent": PROJECT + "/services/{service}"}
    ),
    "gcp:projects/iAMMember:IAMMember": _PROJECT_GRANT,
    "gcp:projects/iAMBinding:IAMBinding": _PROJECT_GRANT,
    "gcp:projects/iAMAuditConfig:IAMAuditConfig": Resource(
        "cloudresourcemanager.v3", "projects.setIamPolicy", {"resource": PROJECT}, root="policy.auditConfigs.[]"
    ),
    "gcp:projects/iAMCustomRole:IAMCustomRole": Resource(
        "iam.v1",
        "projects.roles.create",
        {"parent": PROJECT},
        root="role",
        differences={"permissions": At("includedPermissions"), "roleId": At("^roleId")},
    ),
    "gcp:compute/network:Network": Resource(
        "compute.v1",
        "networks.insert",
        {"project": "{project}"},
        differences={
            "routingMode": At("routingConfig.routingMode"),
            "bgpBestPathSelectionMode": At("routingConfig.bgpBestPathSelectionMode"),
            "bgpAlwaysCompareMed": At("routingConfig.bgpAlwaysCompareMed"),
            "bgpInterRegionCost": At("routingConfig.bgpInterRegionCost"),
            "deleteBgpAlwaysCompareMed": _LATER_CALL,
            "deleteDefaultRoutesOnCreate": _LATER_CALL,
        },
    ),
    "gcp:compute/subnetwork:Subnetwork": Resource(
        "compute.v1",
        "subnetworks.insert",
        {"project": "{project}", "region": "{region}"},
        differences={"sendSecondaryIpRangeIfEmpty": PROVIDER_ONLY},
    ),
    "gcp:compute/globalAddress:GlobalAddress": Resource(
        "compute.v1", "globalAddresses.insert", {"project": "{project}"}
    ),
    "gcp:compute/router:Router": Resource(
        "compute.v1",
        "routers.insert",
        {"project": "{project}", "region": "{region}"},
        differences={"md5AuthenticationKeys": At("md5AuthenticationKeys.[]")},
    ),
    "gcp:compute/routerNat:RouterNat": Resource(
        "compute.v1",
        "routers.patch",
        {"project": "{project}", "region": "{region}", "router": "{router:last}"},
        root="nats.[]",
        differences={"initialNatIps": At("natIps")},
    ),
    "gcp:compute/firewall:Firewall": Resource(
        "compute.v1",
        "firewalls.insert",
        {"project": "{project}"},
        differences={
            "allows": At("allowed"),
            "allows[].protocol": At("IPProtocol"),
            "denies": At("denied"),
            "denies[].protocol": At("IPProtocol"),
            "enableLogging": At("logConfig.enable"),
        },
    ),
    "gcp:servicenetworking/connection:Connection": Resource(
        "servicenetworking.v1",
        "services.connections.create",
        {"parent": "services/{service}"},
        differences={"updateOnCreationFail": PROVIDER_ONLY},
    ),
    "gcp:kms/keyRing:KeyRing": Resource(
        "cloudkms.v1", "projects.locations.keyRings.create", {"parent": _LOCATION, "keyRingId": "{name}"}
    ),
    "gcp:kms/cryptoKey:CryptoKey": Resource(
        "cloudkms.v1",
        "projects.locations.keyRings.cryptoKeys.create",
        {
            "parent": "{keyRing}",
            "cryptoKeyId": "{name}",
            "skipInitialVersionCreation": "{skipInitialVersionCreation}",
        },
    ),
    "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember": _KEY_GRANT,
    "gcp:kms/cryptoKeyIAMBinding:CryptoKeyIAMBinding": _KEY_GRANT,
    "gcp:serviceaccount/account:Account": Resource(
        "iam.v1",
        "projects.serviceAccounts.create",
        {"name": PROJECT},
        root="serviceAccount",
        differences={
            "accountId": At("^accountId"),
            "createIgnoreAlreadyExists": PROVIDER_ONLY,
            "disabled": _LATER_CALL,
        },
    ),
    "gcp:serviceaccount/iAMMember:IAMMember": _ACCOUNT_GRANT,
    "gcp:serviceaccount/iAMBinding:IAMBinding": _ACCOUNT_GRANT,
    "gcp:sql/databaseInstance:DatabaseInstance": Resource(
        "sqladmin.v1", "instances.insert", {"project": "{project}"}, differences=_SQL_SETTINGS
    ),
    "gcp:sql/database:Database": Resource(
        "sqladmin.v1", "databases.insert", {"project": "{project}", "instance": "{instance}"}
    ),
    "gcp:sql/user:User": Resource(
        "sqladmin.v1",
        "users.insert",
        {"project": "{project}", "instance": "{instance}"},
        differences={"passwordWo": _WRITE_ONLY, "passwordWoVersion": _WRITE_ONLY},
    ),
    "gcp:storage/bucket:Bucket": Resource(
        "storage.v1",
        "buckets.insert",
        {"project": "{project}", "enableObjectRetention": "{enableObjectRetention}"},
        differences=_BUCKET,
    ),
    "gcp:storage/bucketObject:BucketObject": Resource(
        "storage.v1", "objects.insert", {"bucket": "{bucket}", "name": "{name}"}, differences=_BUCKET_OBJECT
    ),
    "gcp:storage/bucketIAMMember:BucketIAMMember": _BUCKET_GRANT,
    "gcp:storage/bucketIAMBinding:BucketIAMBinding": _BUCKET_GRANT,
    "gcp:storage/managedFolder:ManagedFolder": Resource(
        "storage.v1", "managedFolders.insert", {"bucket": "{bucket}"}, differences={"forceDestroy": ON_DELETE}
    ),
    "gcp:storage/managedFolderIamMember:ManagedFolderIamMember": _FOLDER_GRANT,
    "gcp:storage/managedFolderIamBinding:ManagedFolderIamBinding": _FOLDER_GRANT,
    "gcp:secretmanager/secret:Secret": Resource(
        "secretmanager.v1",
        "projects.secrets.create",
        {"parent": PROJECT, "secretId": "{secretId}"},
        differences={"replication.auto": At("automatic")},
    ),
    "gcp:secretmanager/secretVersion:SecretVersion": Resource(
        "secretmanager.v1",
        "projects.secrets.addVersion",
        {"parent": "projects/{project}/secrets/{secret:last}"},
        differences={
            "secretData": At("payload.data", via=_base64),
            "secretDataWo": _WRITE_ONLY,
            "secretDataWoVersion": _WRITE_ONLY,
            "isSecretDataBase64": PROVIDER_ONLY,
            "enabled": _LATER_CALL,
        },
    ),
    "gcp:secretmanager/secretIamMember:SecretIamMember": _SECRET_GRANT,
    "gcp:secretmanager/secretIamBinding:SecretIamBinding": _SECRET_GRANT,
    "gcp:logging/projectSink:ProjectSink": Resource(
        "logging.v2",
        "projects.sinks.create",
        {
            "parent": PROJECT,
            "uniqueWriterIdentity": "{uniqueWriterIdentity}",
            "customWriterIdentity": "{customWriterIdentity}",
        },
    ),
    "gcp:logging/projectBucketConfig:ProjectBucketConfig": Resource(
        "logging.v2",
        "projects.locations.buckets.create",
        {"parent": "projects/{project:last}/locations/{location}", "bucketId": "{bucketId}"},
        differences={"enableAnalytics": At("analyticsEnabled")},
    ),
    "gcp:logging/metric:Metric": Resource("logging.v2", "projects.metrics.create", {"parent": PROJECT}),
    "gcp:monitoring/notificationChannel:NotificationChannel": Resource(
        "monitoring.v3",
        "projects.notificationChannels.create",
        {"name": PROJECT},
        differences={
            "forceDelete": ON_DELETE,
            # The provider keeps the secret labels apart; the API has one map.
            "sensitiveLabels": At("labels"),
        },
    ),
    "gcp:monitoring/uptimeCheckConfig:UptimeCheckConfig": Resource(
        "monitoring.v3",
        "projects.uptimeCheckConfigs.create",
        {"parent": PROJECT},
        differences={
            "httpCheck.authInfo.passwordWo": _WRITE_ONLY,
            "httpCheck.authInfo.passwordWoVersion": _WRITE_ONLY,
        },
    ),
    "gcp:monitoring/alertPolicy:AlertPolicy": Resource(
        "monitoring.v3", "projects.alertPolicies.create", {"name": PROJECT}
    ),
    "gcp:monitoring/customService:CustomService": Resource(
        "monitoring.v3", "services.create", {"parent": PROJECT, "serviceId": "{serviceId}"}
    ),
    "gcp:monitoring/genericService:GenericService": Resource(
        "monitoring.v3", "services.create", {"parent": PROJECT, "serviceId": "{serviceId}"}
    ),
    "gcp:monitoring/slo:Slo": Resource(
        "monitoring.v3",
        "services.serviceLevelObjectives.create",
        {"parent": "projects/{project}/services/{service:last}", "serviceLevelObjectiveId": "{sloId}"},
        differences=_SERVICE_LEVEL,
    ),
    "gcp:monitoring/dashboard:Dashboard": Resource(
        "monitoring.v1",
        "projects.dashboards.create",
        {"parent": PROJECT},
        differences={"dashboardJson": At("", via=json.loads)},
    ),
    "gcp:billing/budget:Budget": Resource(
        "billingbudgets.v1",
        "billingAccounts.budgets.create",
        {"parent": "billingAccounts/{billingAccount:last}"},
        differences={
            "allUpdatesRule": At("notificationsRule"),
            "budgetFilter.labels": Outside("one value per label; the API has a list of them"),
            "amount.lastPeriodAmount": Outside("the API has an empty message here: presence is the value"),
        },
    ),
    "gcp:workflows/workflow:Workflow": Resource(
        "workflows.v1",
        "projects.locations.workflows.create",
        {"parent": _REGION, "workflowId": "{name}"},
        differences={"namePrefix": PROVIDER_ONLY},
    ),
    "gcp:cloudscheduler/job:Job": Resource(
        "cloudscheduler.v1",
        "projects.locations.jobs.create",
        {"parent": _REGION},
        differences={"paused": _LATER_CALL},
    ),
    "gcp:cloudrunv2/job:Job": Resource(
        "run.v2",
        "projects.locations.jobs.create",
        {"parent": _LOCATION, "jobId": "{name}"},
        differences={"tags": Outside("the discovery document does not know tags on create")},
    ),
    "gcp:cloudrunv2/service:Service": Resource(
        "run.v2",
        "projects.locations.services.create",
        {"parent": _LOCATION, "serviceId": "{name}"},
        differences={
            "tags": Outside("the discovery document does not know tags on create"),
            "template.containers[].ports": At("ports.[]"),
        },
    ),
    "gcp:cloudrunv2/jobIamMember:JobIamMember": _RUN_JOB_GRANT,
    "gcp:cloudrunv2/jobIamBinding:JobIamBinding": _RUN_JOB_GRANT,
    "gcp:cloudrunv2/serviceIamMember:ServiceIamMember": _RUN_SERVICE_GRANT,
    "gcp:cloudrunv2/serviceIamBinding:ServiceIamBinding": _RUN_SERVICE_GRANT,
    "gcp:artifactregistry/repository:Repository": Resource(
        "artifactregistry.v1",
        "projects.locations.repositories.create",
        {"parent": _LOCATION, "repositoryId": "{repositoryId}"},
        differences={"cleanupPolicies": At("cleanupPolicies.{}", each=True)},
    ),
    "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember": _REPOSITORY_GRANT,
    "gcp:pubsub/topic:Topic": Resource(
        "pubsub.v1", "projects.topics.create", {"name": "projects/{project}/topics/{name:last}"}
    ),
    "gcp:pubsub/topicIAMMember:TopicIAMMember": _TOPIC_GRANT,
}

# Inputs that hold another resource's full name, whatever type they stand in: the pattern is that of the parameter of
# the method that reads the other resource.
REFERENCES: Mapping[str, tuple[str, str, str]] = {
    **dict.fromkeys(
        ("kmsKeyName", "defaultKmsKeyName", "cryptoKeyName", "encryptionKeyName", "encryptionKey", "cryptoKeyId"),
        ("cloudkms.v1", "projects.locations.keyRings.cryptoKeys.get", "name"),
    ),
    **dict.fromkeys(
        ("notificationChannels", "monitoringNotificationChannels"),
        ("monitoring.v3", "projects.notificationChannels.get", "name"),
    ),
    **dict.fromkeys(("pubsubTopic", "topicName"), ("pubsub.v1", "projects.topics.get", "topic")),
}
