"""One compliant resource of each type that the rules judge, with prod's settings. Wire names, checked inputs."""

from policies.gcp import tokens
from tests.policies.support import UNKNOWN_STRING_VALUE, Props

KEY = "projects/p/locations/europe-west1/keyRings/tenantry/cryptoKeys/sql"
ACCOUNT = "serviceAccount:tenantry-worker@p.iam.gserviceaccount.com"

TOPIC = "gcp:pubsub/topic:Topic"
REPOSITORY = "gcp:artifactregistry/repository:Repository"
NETWORK = "gcp:compute/network:Network"
FIREWALL = "gcp:compute/firewall:Firewall"
PROJECT = "gcp:organizations/project:Project"
PROJECT_MEMBER = "gcp:projects/iAMMember:IAMMember"
PROJECT_BINDING = "gcp:projects/iAMBinding:IAMBinding"
BUCKET_POLICY = "gcp:storage/bucketIAMPolicy:BucketIAMPolicy"
FEDERATION = "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider"
SSL_POLICY = "gcp:compute/sSLPolicy:SSLPolicy"
HTTPS_PROXY = "gcp:compute/targetHttpsProxy:TargetHttpsProxy"
SECURITY_POLICY = "gcp:compute/securityPolicy:SecurityPolicy"
BACKEND_SERVICE = "gcp:compute/backendService:BackendService"
FOLDER_MEMBER = "gcp:storage/managedFolderIamMember:ManagedFolderIamMember"

COMPLIANT: dict[str, Props] = {
    tokens.SQL_INSTANCE: {
        "name": "acme-prod-business-1",
        "region": "europe-west1",
        "databaseVersion": "POSTGRES_17",
        # Computed in another resource, and so not known in a first preview: it must be enough that it is set.
        "encryptionKeyName": UNKNOWN_STRING_VALUE,
        "deletionProtection": True,
        "settings": {
            "edition": "ENTERPRISE_PLUS",
            "deletionProtectionEnabled": True,
            "ipConfiguration": {
                "ipv4Enabled": False,
                "privateNetwork": UNKNOWN_STRING_VALUE,
                "sslMode": "ENCRYPTED_ONLY",
            },
            "backupConfiguration": {
                "enabled": True,
                "location": "eu",
                "pointInTimeRecoveryEnabled": True,
                "transactionLogRetentionDays": 30.0,
                "backupRetentionSettings": {"retainedBackups": 30.0, "retentionUnit": "COUNT"},
            },
            "databaseFlags": [
                {"name": "cloudsql.iam_authentication", "value": "on"},
                {"name": "cloudsql.enable_pgaudit", "value": "on"},
                {"name": "log_checkpoints", "value": "on"},
                {"name": "log_connections", "value": "on"},
                {"name": "log_disconnections", "value": "on"},
                {"name": "log_lock_waits", "value": "on"},
                {"name": "log_statement", "value": "ddl"},
            ],
        },
    },
    tokens.SQL_DATABASE: {"name": "tn_acme_co", "instance": "acme-prod-business-1", "deletionPolicy": "ABANDON"},
    tokens.SQL_USER: {"name": "worker@p.iam", "type": "CLOUD_IAM_SERVICE_ACCOUNT"},
    tokens.BUCKET: {
        "name": "acme-prod-exports",
        "location": "EUROPE-WEST4",
        "labels": {"role": "exports"},
        "uniformBucketLevelAccess": True,
        "publicAccessPrevention": "enforced",
        "forceDestroy": False,
        "encryption": {"defaultKmsKeyName": UNKNOWN_STRING_VALUE},
        "retentionPolicy": {"retentionPeriod": "2592000", "isLocked": True},
        "softDeletePolicy": {"retentionDurationSeconds": 604800.0},
    },
    tokens.CRYPTO_KEY: {
        "name": "sql",
        "purpose": "ENCRYPT_DECRYPT",
        "rotationPeriod": "7776000s",
        "destroyScheduledDuration": "2592000s",
        "deletionPolicy": "PREVENT",
    },
    tokens.SECRET: {
        "secretId": "tenant-acme-co-credential",
        "replication": {
            "userManaged": {
                "replicas": [
                    {"location": "europe-west1", "customerManagedEncryption": {"kmsKeyName": UNKNOWN_STRING_VALUE}},
                    {"location": "europe-west4", "customerManagedEncryption": {"kmsKeyName": KEY}},
                ]
            }
        },
    },
    tokens.REGIONAL_SECRET: {"secretId": "regional", "customerManagedEncryption": {"kmsKeyName": KEY}},
    tokens.LOG_BUCKET: {
        "bucketId": "audit",
        "retentionDays": 365.0,
        "locked": True,
        "cmekSettings": {"kmsKeyName": KEY},
    },
    TOPIC: {"name": "events", "kmsKeyName": KEY},
    REPOSITORY: {"repositoryId": "jobs", "kmsKeyName": KEY},
    NETWORK: {"name": "tenantry", "autoCreateSubnetworks": False},
    tokens.SUBNETWORK: {
        "name": "workloads",
        "privateIpGoogleAccess": True,
        "logConfig": {"flowSampling": 0.5},
    },
    FIREWALL: {
        "name": "health-checks",
        "direction": "INGRESS",
        "allows": [{"protocol": "tcp", "ports": ["443"]}],
        "sourceRanges": ["130.211.0.0/22", "35.191.0.0/16"],
    },
    PROJECT: {"projectId": "p", "autoCreateNetwork": False},
    tokens.RUN_SERVICE: {
        "name": "gateway",
        "ingress": "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER",
        "template": {"serviceAccount": "tenantry-gateway@p.iam.gserviceaccount.com"},
    },
    tokens.RUN_JOB: {
        "name": "sql",
        "template": {"template": {"serviceAccount": UNKNOWN_STRING_VALUE}},
    },
    tokens.RUN_WORKER_POOL: {"name": "pool", "template": {"serviceAccount": "w@p.iam.gserviceaccount.com"}},
    tokens.WORKFLOW: {"name": "tenantry-export", "serviceAccount": "tenantry-backup@p.iam.gserviceaccount.com"},
    tokens.SCHEDULER_JOB: {
        "name": "export",
        "httpTarget": {"uri": "https://x", "oauthToken": {"serviceAccountEmail": "s@p.iam.gserviceaccount.com"}},
    },
    PROJECT_MEMBER: {"project": "p", "role": "roles/logging.logWriter", "member": ACCOUNT},
    PROJECT_BINDING: {"project": "p", "role": "roles/logging.logWriter", "members": [ACCOUNT]},
    FOLDER_MEMBER: {"bucket": "b", "role": "roles/storage.objectViewer", "member": UNKNOWN_STRING_VALUE},
    BUCKET_POLICY: {
        "bucket": "b",
        "policyData": '{"bindings": [{"role": "roles/storage.objectViewer", "members": ["group:ops@acme.example"]}]}',
    },
    tokens.FIRESTORE_DATABASE: {
        "name": "acme-prod-acme",
        "locationId": "eur3",
        "type": "FIRESTORE_NATIVE",
        "cmekConfig": {"kmsKeyName": UNKNOWN_STRING_VALUE},
        "pointInTimeRecoveryEnablement": "POINT_IN_TIME_RECOVERY_ENABLED",
        "deleteProtectionState": "DELETE_PROTECTION_ENABLED",
    },
    FEDERATION: {
        "workloadIdentityPoolId": "vercel",
        "attributeCondition": 'assertion.owner == "acme" && assertion.project == "web"',
        "oidc": {"issuerUri": "https://oidc.vercel.com/acme"},
    },
    SSL_POLICY: {"name": "edge", "minTlsVersion": "TLS_1_2", "profile": "MODERN"},
    HTTPS_PROXY: {"name": "edge", "sslPolicy": UNKNOWN_STRING_VALUE},
    SECURITY_POLICY: {
        "name": "edge",
        "rules": [{"action": "throttle", "priority": 1000.0}, {"action": "allow", "priority": 2147483647.0}],
    },
    BACKEND_SERVICE: {
        "name": "gateway",
        "loadBalancingScheme": "EXTERNAL_MANAGED",
        "securityPolicy": UNKNOWN_STRING_VALUE,
        "logConfig": {"enable": True, "sampleRate": 1.0},
    },
}
