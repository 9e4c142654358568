"""Inputs written by hand that the API takes: one or more of every type in the table, as Pulumi would register them."""

from __future__ import annotations

import base64
import json
from typing import Any

KEY = "projects/acme-prod/locations/europe-west1/keyRings/data/cryptoKeys/sql"
MEMBER = "serviceAccount:worker@acme-prod.iam.gserviceaccount.com"
EXECUTIONS = (
    "https://workflowexecutions.googleapis.com/v1/projects/acme-prod/locations/europe-west1/workflows/export/executions"
)

WORKFLOW = """
main:
  params: [input]
  steps:
    - list:
        call: googleapis.sqladmin.v1.databases.list
        args: {project: acme-prod, instance: "${input.instance}"}
        result: databases
    - export:
        call: googleapis.sqladmin.v1.instances.export
        args:
          project: acme-prod
          instance: ${input.instance}
          body:
            exportContext:
              fileType: SQL
              uri: ${"gs://exports/" + input.instance}
              databases: ["${input.database}"]
              offload: true
          connector_params: {timeout: 7200}
    - check:
        call: done
    - fetch:
        call: http.get
        args:
          url: ${"https://sqladmin.googleapis.com/v1/projects/acme-prod/instances/" + input.instance}
          auth: {type: OAuth2}
          query: {fields: state}
    - mark:
        call: googleapis.storage.v1.objects.insert
        args: {bucket: acme-prod-exports, name: marker.json, uploadType: media, body: {finished: true}}
done:
  steps:
    - log:
        call: sys.log
        args: {text: done}
"""

DASHBOARD: dict[str, Any] = {
    "displayName": "Golden signals",
    "mosaicLayout": {
        "columns": 12,
        "tiles": [
            {
                "width": 6,
                "height": 4,
                "widget": {
                    "title": "CPU",
                    "xyChart": {
                        "dataSets": [
                            {
                                "plotType": "LINE",
                                "timeSeriesQuery": {
                                    "timeSeriesFilter": {
                                        "filter": 'metric.type="cloudsql.googleapis.com/database/disk/bytes_used"',
                                        "aggregation": {"alignmentPeriod": "60s", "perSeriesAligner": "ALIGN_MEAN"},
                                    }
                                },
                            }
                        ]
                    },
                },
            }
        ],
    },
}

SAMPLES: dict[str, dict[str, Any]] = {
    "gcp:projects/service:Service": {"service": "sqladmin.googleapis.com", "disableOnDestroy": False},
    "gcp:projects/serviceIdentity:ServiceIdentity": {"service": "secretmanager.googleapis.com"},
    "gcp:projects/iAMMember:IAMMember": {
        "project": "acme-prod",
        "role": "roles/logging.logWriter",
        "member": MEMBER,
        "condition": {"title": "office hours", "expression": "true"},
    },
    "gcp:projects/iAMBinding:IAMBinding": {"role": "roles/logging.logWriter", "members": [MEMBER]},
    "gcp:projects/iAMAuditConfig:IAMAuditConfig": {
        "service": "allServices",
        "auditLogConfigs": [{"logType": "DATA_READ"}, {"logType": "ADMIN_READ"}],
    },
    "gcp:projects/iAMCustomRole:IAMCustomRole": {
        "roleId": "sqlExporter",
        "title": "Export databases",
        "permissions": ["cloudsql.instances.export"],
        "stage": "GA",
    },
    "gcp:compute/network:Network": {
        "name": "main",
        "autoCreateSubnetworks": False,
        "routingMode": "REGIONAL",
        "mtu": 1460.0,
    },
    "gcp:compute/subnetwork:Subnetwork": {
        "name": "main",
        "ipCidrRange": "10.0.0.0/20",
        "network": "projects/acme-prod/global/networks/main",
        "region": "europe-west1",
        "privateIpGoogleAccess": True,
        "logConfig": {
            "aggregationInterval": "INTERVAL_10_MIN",
            "flowSampling": 0.5,
            "metadata": "INCLUDE_ALL_METADATA",
        },
    },
    "gcp:compute/globalAddress:GlobalAddress": {
        "name": "services",
        "purpose": "VPC_PEERING",
        "addressType": "INTERNAL",
        "prefixLength": 16,
    },
    "gcp:compute/router:Router": {"name": "main", "region": "europe-west1", "network": "main"},
    "gcp:compute/routerNat:RouterNat": {
        "name": "main",
        "router": "main",
        "region": "europe-west1",
        "natIpAllocateOption": "AUTO_ONLY",
        "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES",
        "logConfig": {"enable": True, "filter": "ERRORS_ONLY"},
    },
    "gcp:compute/firewall:Firewall": {
        "name": "deny-all",
        "network": "main",
        "direction": "INGRESS",
        "priority": 65000,
        "denies": [{"protocol": "all"}],
        "sourceRanges": ["0.0.0.0/0"],
        "logConfig": {"metadata": "INCLUDE_ALL_METADATA"},
    },
    "gcp:servicenetworking/connection:Connection": {
        "network": "main",
        "service": "servicenetworking.googleapis.com",
        "reservedPeeringRanges": ["services"],
        "deletionPolicy": "REMOVE_PEERING",
    },
    "gcp:kms/keyRing:KeyRing": {"name": "data", "location": "europe-west1"},
    "gcp:kms/cryptoKey:CryptoKey": {
        "name": "sql",
        "keyRing": "projects/acme-prod/locations/europe-west1/keyRings/data",
        "purpose": "ENCRYPT_DECRYPT",
        "rotationPeriod": "7776000s",
        "destroyScheduledDuration": "2592000s",
    },
    "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember": {
        "cryptoKeyId": KEY,
        "role": "roles/cloudkms.cryptoKeyEncrypterDecrypter",
        "member": MEMBER,
    },
    "gcp:serviceaccount/account:Account": {"accountId": "worker", "displayName": "Worker"},
    "gcp:serviceaccount/iAMMember:IAMMember": {
        "serviceAccountId": "projects/acme-prod/serviceAccounts/worker@acme-prod.iam.gserviceaccount.com",
        "role": "roles/iam.serviceAccountTokenCreator",
        "member": MEMBER,
    },
    "gcp:sql/databaseInstance:DatabaseInstance": {
        "name": "acme-prod-standard-1",
        "databaseVersion": "POSTGRES_17",
        "region": "europe-west1",
        "encryptionKeyName": KEY,
        "deletionProtection": True,
        "settings": {
            "tier": "db-custom-2-8192",
            "edition": "ENTERPRISE",
            "availabilityType": "REGIONAL",
            "diskAutoresize": True,
            "diskAutoresizeLimit": 500,
            "diskSize": 50.0,
            "diskType": "PD_SSD",
            "backupConfiguration": {
                "enabled": True,
                "location": "europe-west4",
                "pointInTimeRecoveryEnabled": True,
                "startTime": "02:00",
                "transactionLogRetentionDays": 7,
                "backupRetentionSettings": {"retainedBackups": 30, "retentionUnit": "COUNT"},
            },
            "databaseFlags": [{"name": "log_connections", "value": "on"}],
            "denyMaintenancePeriod": {"startDate": "2026-12-20", "endDate": "2027-01-05", "time": "00:00:00"},
            "ipConfiguration": {"ipv4Enabled": False, "sslMode": "ENCRYPTED_ONLY", "privateNetwork": "main"},
            "maintenanceWindow": {"day": 7, "hour": 3, "updateTrack": "stable"},
            "userLabels": {"tenant": "acme"},
        },
    },
    "gcp:sql/database:Database": {"name": "tn_acme", "instance": "main", "charset": "UTF8"},
    "gcp:sql/user:User": {"name": "worker@acme-prod.iam", "instance": "main", "type": "CLOUD_IAM_SERVICE_ACCOUNT"},
    "gcp:storage/bucket:Bucket": {
        "name": "acme-prod-exports",
        "location": "EUROPE-WEST4",
        "storageClass": "STANDARD",
        "uniformBucketLevelAccess": True,
        "publicAccessPrevention": "enforced",
        "encryption": {"defaultKmsKeyName": KEY},
        "retentionPolicy": {"isLocked": True, "retentionPeriod": 2592000},
        "softDeletePolicy": {"retentionDurationSeconds": 604800},
        "lifecycleRules": [
            {"action": {"type": "SetStorageClass", "storageClass": "COLDLINE"}, "condition": {"age": 30}},
            {
                "action": {"type": "Delete"},
                "condition": {"age": 400, "matchesPrefixes": ["sql/"], "withState": "ARCHIVED"},
            },
        ],
        "cors": [{"methods": ["GET"], "origins": ["https://app.example.com"], "maxAgeSeconds": 60}],
    },
    "gcp:storage/bucketObject:BucketObject": {"bucket": "acme-prod-registry", "name": "t.json", "content": "{}"},
    "gcp:storage/bucketIAMMember:BucketIAMMember": {
        "bucket": "acme-prod-exports",
        "role": "roles/storage.objectCreator",
        "member": MEMBER,
    },
    "gcp:storage/bucketIAMBinding:BucketIAMBinding": {
        "bucket": "acme-prod-exports",
        "role": "roles/storage.objectCreator",
        "members": [MEMBER],
    },
    "gcp:storage/managedFolder:ManagedFolder": {"bucket": "acme-prod-uploads", "name": "acme/"},
    "gcp:storage/managedFolderIamBinding:ManagedFolderIamBinding": {
        "bucket": "acme-prod-uploads",
        "managedFolder": "acme/",
        "role": "roles/storage.objectUser",
        "members": [MEMBER],
    },
    "gcp:secretmanager/secret:Secret": {
        "secretId": "tenant-acme-credential",
        "replication": {
            "userManaged": {
                "replicas": [{"location": "europe-west1", "customerManagedEncryption": {"kmsKeyName": KEY}}]
            }
        },
        "versionDestroyTtl": "604800s",
    },
    "gcp:secretmanager/secretVersion:SecretVersion": {
        "secret": "projects/acme-prod/secrets/tenant-acme-credential",
        "secretData": '{"password": "not a real one"}',
    },
    "gcp:secretmanager/secretIamMember:SecretIamMember": {
        "secretId": "projects/acme-prod/secrets/tenant-acme-credential",
        "role": "roles/secretmanager.secretAccessor",
        "member": MEMBER,
    },
    "gcp:secretmanager/secretIamBinding:SecretIamBinding": {
        "secretId": "tenant-acme-credential",
        "role": "roles/secretmanager.secretAccessor",
        "members": [MEMBER],
    },
    "gcp:logging/projectSink:ProjectSink": {
        "name": "audit",
        "destination": "storage.googleapis.com/acme-prod-audit",
        "uniqueWriterIdentity": True,
        "exclusions": [{"name": "noise", "filter": "severity<INFO"}],
    },
    "gcp:logging/projectBucketConfig:ProjectBucketConfig": {
        "project": "projects/acme-prod",
        "location": "europe-west1",
        "bucketId": "audit",
        "retentionDays": 2555,
        "locked": True,
        "cmekSettings": {"kmsKeyName": KEY},
    },
    "gcp:logging/metric:Metric": {
        "name": "export-finished",
        "filter": 'jsonPayload.event="export-finished"',
        "metricDescriptor": {
            "metricKind": "DELTA",
            "valueType": "INT64",
            "labels": [{"key": "instance", "valueType": "STRING"}],
        },
        "labelExtractors": {"instance": "EXTRACT(jsonPayload.instance)"},
    },
    "gcp:monitoring/notificationChannel:NotificationChannel": {
        "displayName": "On call",
        "type": "email",
        "labels": {"email_address": "oncall@example.com"},
    },
    "gcp:monitoring/uptimeCheckConfig:UptimeCheckConfig": {
        "displayName": "health",
        "period": "60s",
        "timeout": "10s",
        "httpCheck": {"path": "/api/health", "port": 443, "useSsl": True, "validateSsl": True},
        "monitoredResource": {"type": "uptime_url", "labels": {"host": "app.example.com"}},
        "selectedRegions": ["EUROPE", "USA_OREGON", "ASIA_PACIFIC"],
    },
    "gcp:monitoring/alertPolicy:AlertPolicy": {
        "displayName": "Disk",
        "combiner": "OR",
        "severity": "CRITICAL",
        "conditions": [
            {
                "displayName": "disk over 80 %",
                "conditionThreshold": {
                    "filter": 'metric.type="cloudsql.googleapis.com/database/disk/bytes_used"',
                    "comparison": "COMPARISON_GT",
                    "duration": "300s",
                    "thresholdValue": 0.8,
                    "aggregations": [{"alignmentPeriod": "60s", "perSeriesAligner": "ALIGN_MEAN"}],
                },
            }
        ],
        "notificationChannels": ["projects/acme-prod/notificationChannels/1"],
        "alertStrategy": {"autoClose": "1800s"},
    },
    "gcp:monitoring/customService:CustomService": {"serviceId": "api", "displayName": "API"},
    "gcp:monitoring/genericService:GenericService": {
        "serviceId": "api",
        "basicService": {"serviceType": "CLOUD_RUN", "serviceLabels": {"service_name": "gateway"}},
    },
    "gcp:monitoring/slo:Slo": {
        "service": "api",
        "sloId": "availability",
        "goal": 0.999,
        "rollingPeriodDays": 28,
        "requestBasedSli": {"goodTotalRatio": {"goodServiceFilter": "a", "totalServiceFilter": "b"}},
    },
    "gcp:monitoring/dashboard:Dashboard": {"dashboardJson": json.dumps(DASHBOARD)},
    "gcp:billing/budget:Budget": {
        "billingAccount": "0123AB-0123AB-0123AB",
        "displayName": "prod",
        "amount": {"specifiedAmount": {"currencyCode": "EUR", "units": "5000"}},
        "budgetFilter": {"projects": ["projects/acme-prod"], "calendarPeriod": "MONTH"},
        "thresholdRules": [{"thresholdPercent": 0.9, "spendBasis": "FORECASTED_SPEND"}],
        "allUpdatesRule": {"monitoringNotificationChannels": ["projects/acme-prod/notificationChannels/1"]},
    },
    "gcp:workflows/workflow:Workflow": {
        "name": "export",
        "region": "europe-west1",
        "sourceContents": WORKFLOW,
        "callLogLevel": "LOG_ERRORS_ONLY",
        "cryptoKeyName": KEY,
    },
    "gcp:cloudscheduler/job:Job": {
        "name": "export",
        "region": "europe-west1",
        "schedule": "0 2 * * *",
        "timeZone": "Etc/UTC",
        "attemptDeadline": "180s",
        "retryConfig": {"retryCount": 3, "minBackoffDuration": "30s"},
        "httpTarget": {
            "uri": EXECUTIONS,
            "httpMethod": "POST",
            "body": base64.b64encode(b'{"argument": "{}"}').decode(),
            "oauthToken": {"serviceAccountEmail": "backup@acme-prod.iam.gserviceaccount.com"},
        },
    },
    "gcp:cloudrunv2/job:Job": {
        "name": "sql",
        "location": "europe-west1",
        "template": {
            "template": {
                "maxRetries": 1,
                "timeout": "600s",
                "encryptionKey": KEY,
                "containers": [{"image": "sql:1", "envs": [{"name": "REGISTRY", "value": "acme-prod-registry"}]}],
                "vpcAccess": {"egress": "ALL_TRAFFIC", "networkInterfaces": [{"subnetwork": "main"}]},
            }
        },
    },
    "gcp:cloudrunv2/jobIamMember:JobIamMember": {
        "name": "projects/acme-prod/locations/europe-west1/jobs/sql",
        "location": "europe-west1",
        "role": "roles/run.invoker",
        "member": MEMBER,
    },
    "gcp:cloudrunv2/service:Service": {
        "name": "gateway",
        "location": "europe-west1",
        "ingress": "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER",
        "template": {"containers": [{"image": "gateway:1", "ports": {"containerPort": 8080}}]},
        "traffics": [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}],
    },
    "gcp:artifactregistry/repository:Repository": {
        "repositoryId": "jobs",
        "location": "europe-west1",
        "format": "DOCKER",
        "kmsKeyName": KEY,
        "cleanupPolicies": [{"id": "keep", "action": "KEEP", "mostRecentVersions": {"keepCount": 10}}],
    },
    "gcp:pubsub/topic:Topic": {"name": "rotation", "messageRetentionDuration": "86400s", "kmsKeyName": KEY},
    "gcp:pubsub/topicIAMMember:TopicIAMMember": {
        "topic": "rotation",
        "role": "roles/pubsub.publisher",
        "member": MEMBER,
    },
    "gcp:kms/cryptoKeyIAMBinding:CryptoKeyIAMBinding": {
        "cryptoKeyId": KEY,
        "role": "roles/cloudkms.cryptoKeyEncrypterDecrypter",
        "members": [MEMBER],
    },
    "gcp:serviceaccount/iAMBinding:IAMBinding": {
        "serviceAccountId": "projects/acme-prod/serviceAccounts/worker@acme-prod.iam.gserviceaccount.com",
        "role": "roles/iam.serviceAccountTokenCreator",
        "members": [MEMBER],
    },
    "gcp:storage/managedFolderIamMember:ManagedFolderIamMember": {
        "bucket": "acme-prod-uploads",
        "managedFolder": "acme/",
        "role": "roles/storage.objectUser",
        "member": MEMBER,
    },
    "gcp:cloudrunv2/jobIamBinding:JobIamBinding": {
        "name": "sql",
        "location": "europe-west1",
        "role": "roles/run.invoker",
        "members": [MEMBER],
    },
    "gcp:cloudrunv2/serviceIamMember:ServiceIamMember": {
        "name": "gateway",
        "location": "europe-west1",
        "role": "roles/run.invoker",
        "member": MEMBER,
    },
    "gcp:cloudrunv2/serviceIamBinding:ServiceIamBinding": {
        "name": "gateway",
        "location": "europe-west1",
        "role": "roles/run.invoker",
        "members": [MEMBER],
    },
    "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember": {
        "repository": "jobs",
        "location": "europe-west1",
        "role": "roles/artifactregistry.reader",
        "member": MEMBER,
    },
    "gcp:firestore/database:Database": {
        "name": "tn-acme",
        "locationId": "europe-west1",
        "type": "FIRESTORE_NATIVE",
        "databaseEdition": "STANDARD",
        "concurrencyMode": "PESSIMISTIC",
        "pointInTimeRecoveryEnablement": "POINT_IN_TIME_RECOVERY_ENABLED",
        "deleteProtectionState": "DELETE_PROTECTION_ENABLED",
        "deletionPolicy": "DELETE",
        "cmekConfig": {"kmsKeyName": KEY},
    },
    "gcp:firestore/backupSchedule:BackupSchedule": {
        "database": "tn-acme",
        "retention": "8467200s",
        "weeklyRecurrence": {"day": "SUNDAY"},
    },
    "gcp:compute/backendBucket:BackendBucket": {
        "name": "assets",
        "bucketName": "acme-prod-assets",
        "enableCdn": True,
        "compressionMode": "AUTOMATIC",
        "cdnPolicy": {"cacheMode": "FORCE_CACHE_ALL", "defaultTtl": 3600, "negativeCaching": True},
    },
    "gcp:compute/backendService:BackendService": {
        "name": "gateway",
        "protocol": "HTTPS",
        "loadBalancingScheme": "EXTERNAL_MANAGED",
        "enableCdn": False,
        "connectionDrainingTimeoutSec": 300,
        "backends": [{"group": "gateway", "balancingMode": "UTILIZATION", "capacityScaler": 1.0}],
        "logConfig": {"enable": True, "sampleRate": 1.0},
    },
    "gcp:compute/globalForwardingRule:GlobalForwardingRule": {
        "name": "https",
        "ipAddress": "203.0.113.7",
        "ipProtocol": "TCP",
        "loadBalancingScheme": "EXTERNAL_MANAGED",
        "portRange": "443",
        "target": "projects/acme-prod/global/targetHttpsProxies/main",
    },
    "gcp:compute/managedSslCertificate:ManagedSslCertificate": {
        "name": "app",
        "type": "MANAGED",
        "managed": {"domains": ["app.example.com"]},
    },
    "gcp:compute/regionNetworkEndpointGroup:RegionNetworkEndpointGroup": {
        "name": "gateway",
        "region": "europe-west1",
        "networkEndpointType": "SERVERLESS",
        "cloudRun": {"service": "gateway"},
    },
    "gcp:compute/sSLPolicy:SSLPolicy": {"name": "main", "profile": "RESTRICTED", "minTlsVersion": "TLS_1_2"},
    "gcp:compute/securityPolicy:SecurityPolicy": {
        "name": "gateway",
        "rules": [
            {
                "action": "throttle",
                "priority": 1000,
                "match": {"versionedExpr": "SRC_IPS_V1", "config": {"srcIpRanges": ["*"]}},
                "rateLimitOptions": {
                    "conformAction": "allow",
                    "enforceOnKey": "IP",
                    "exceedAction": "deny(429)",
                    "rateLimitThreshold": {"count": 600, "intervalSec": 60},
                },
            }
        ],
    },
    "gcp:compute/targetHttpProxy:TargetHttpProxy": {"name": "redirect", "urlMap": "redirect"},
    "gcp:compute/targetHttpsProxy:TargetHttpsProxy": {
        "name": "main",
        "urlMap": "main",
        "sslPolicy": "main",
        "quicOverride": "NONE",
        "sslCertificates": ["app"],
    },
    "gcp:compute/uRLMap:URLMap": {
        "name": "main",
        "defaultUrlRedirect": {"httpsRedirect": True, "redirectResponseCode": "MOVED_PERMANENTLY_DEFAULT"},
        "hostRules": [{"hosts": ["app.example.com"], "pathMatcher": "app"}],
        "pathMatchers": [{"name": "app", "defaultService": "gateway"}],
    },
    "gcp:iam/workloadIdentityPool:WorkloadIdentityPool": {"workloadIdentityPoolId": "vercel", "disabled": False},
    "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider": {
        "workloadIdentityPoolId": "vercel",
        "workloadIdentityPoolProviderId": "vercel",
        "attributeCondition": 'assertion.environment == "production"',
        "attributeMapping": {"google.subject": "assertion.sub"},
        "oidc": {"issuerUri": "https://oidc.vercel.com/acme", "allowedAudiences": ["https://vercel.com/acme"]},
    },
    "gcp:pubsub/subscription:Subscription": {
        "name": "scores",
        "topic": "projects/acme-prod/topics/scores",
        "ackDeadlineSeconds": 600,
        "messageRetentionDuration": "604800s",
        "expirationPolicy": {"ttl": ""},
        "deadLetterPolicy": {"deadLetterTopic": "projects/acme-prod/topics/dead", "maxDeliveryAttempts": 10},
        "retryPolicy": {"minimumBackoff": "10s", "maximumBackoff": "600s"},
    },
    "gcp:pubsub/subscriptionIAMMember:SubscriptionIAMMember": {
        "subscription": "scores",
        "role": "roles/pubsub.subscriber",
        "member": MEMBER,
    },
}
