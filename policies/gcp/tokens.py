"""Type tokens that more than one family judges, and facts about the types behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from policies.frame.resources import Resource

SQL_INSTANCE = "gcp:sql/databaseInstance:DatabaseInstance"
SQL_DATABASE = "gcp:sql/database:Database"
SQL_USER = "gcp:sql/user:User"
BUCKET = "gcp:storage/bucket:Bucket"
BUCKET_OBJECT = "gcp:storage/bucketObject:BucketObject"
CRYPTO_KEY = "gcp:kms/cryptoKey:CryptoKey"
SECRET = "gcp:secretmanager/secret:Secret"  # noqa: S105 - a type token
REGIONAL_SECRET = "gcp:secretmanager/regionalSecret:RegionalSecret"  # noqa: S105
LOG_BUCKET = "gcp:logging/projectBucketConfig:ProjectBucketConfig"
LOG_SINK = "gcp:logging/projectSink:ProjectSink"
AUDIT_CONFIG = "gcp:projects/iAMAuditConfig:IAMAuditConfig"
RUN_SERVICE = "gcp:cloudrunv2/service:Service"
RUN_JOB = "gcp:cloudrunv2/job:Job"
RUN_WORKER_POOL = "gcp:cloudrunv2/workerPool:WorkerPool"
WORKFLOW = "gcp:workflows/workflow:Workflow"
SCHEDULER_JOB = "gcp:cloudscheduler/job:Job"
RUN_SERVICE_GRANTS = (
    "gcp:cloudrunv2/serviceIamMember:ServiceIamMember",
    "gcp:cloudrunv2/serviceIamBinding:ServiceIamBinding",
)
FIRESTORE_DATABASE = "gcp:firestore/database:Database"
FIRESTORE_SCHEDULE = "gcp:firestore/backupSchedule:BackupSchedule"
SUBNETWORK = "gcp:compute/subnetwork:Subnetwork"
ALERT_POLICY = "gcp:monitoring/alertPolicy:AlertPolicy"

# The provider spells the family both ways (storage/bucketIAMMember, cloudrunv2/serviceIamMember).
IAM_MEMBERS = ("gcp:*:*IAMMember", "gcp:*:*IamMember")
IAM_BINDINGS = ("gcp:*:*IAMBinding", "gcp:*:*IamBinding")
IAM_POLICIES = ("gcp:*:*IAMPolicy", "gcp:*:*IamPolicy")
IAM_GRANTS = (*IAM_MEMBERS, *IAM_BINDINGS)
# Grants that reach everything inside a project, a folder or an organization.
WIDE_IAM_GRANTS = tuple(
    f"gcp:{scope}/iAM{kind}:IAM{kind}"
    for scope in ("projects", "folder", "organizations")
    for kind in ("Member", "Binding")
)

_REPLICA_TYPES = ("READ_REPLICA_INSTANCE", "READ_POOL_INSTANCE")
_PROXY_PURPOSES = (
    "GLOBAL_MANAGED_PROXY",
    "INTERNAL_HTTPS_LOAD_BALANCER",
    "PRIVATE_NAT",
    "PRIVATE_SERVICE_CONNECT",
    "REGIONAL_MANAGED_PROXY",
)


def is_replica(instance: Resource) -> bool:
    """Whether a SQL instance is a copy, which has no backups of its own.

    Only a known value says so: an unknown one must not excuse a primary from its backups.
    """
    return instance.text("masterInstanceName") is not None or instance.read("instanceType") in _REPLICA_TYPES


def holds_workloads(subnetwork: Resource) -> bool:
    """Whether a subnetwork has machines or jobs in it. The others take neither flow logs nor private access."""
    return subnetwork.read("purpose") not in _PROXY_PURPOSES
