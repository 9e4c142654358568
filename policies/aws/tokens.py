"""Type tokens of AWS that more than one family judges, and facts about the types behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from policies.frame.values import read

if TYPE_CHECKING:
    from policies.frame.index import Index
    from policies.frame.resources import Resource


def _with_v2(name: str) -> tuple[str, ...]:
    """Both tokens of an S3 type: the SDK keeps a deprecated V2 class for many, with a token of its own."""
    lower = name[0].lower() + name[1:]
    return f"aws:s3/{lower}:{name}", f"aws:s3/{lower}V2:{name}V2"


S3_BUCKETS = _with_v2("Bucket")
S3_ACLS = _with_v2("BucketAcl")
S3_ENCRYPTION = _with_v2("BucketServerSideEncryptionConfiguration")
S3_LIFECYCLES = _with_v2("BucketLifecycleConfiguration")
S3_LOCKS = _with_v2("BucketObjectLockConfiguration")
S3_VERSIONING = _with_v2("BucketVersioning")
S3_OWNERSHIP = ("aws:s3/bucketOwnershipControls:BucketOwnershipControls",)
S3_POLICIES = ("aws:s3/bucketPolicy:BucketPolicy",)
S3_PUBLIC_ACCESS = ("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",)
S3_REPLICATION = ("aws:s3/bucketReplicationConfig:BucketReplicationConfig",)
S3_OBJECTS = ("aws:s3/bucketObjectv2:BucketObjectv2", "aws:s3/bucketObject:BucketObject")

RDS_INSTANCE = "aws:rds/instance:Instance"
RDS_CLUSTER = "aws:rds/cluster:Cluster"
RDS_CLUSTER_INSTANCE = "aws:rds/clusterInstance:ClusterInstance"
RDS_PARAMETER_GROUP = "aws:rds/parameterGroup:ParameterGroup"
RDS_CLUSTER_PARAMETER_GROUP = "aws:rds/clusterParameterGroup:ClusterParameterGroup"
RDS_SNAPSHOT = "aws:rds/snapshot:Snapshot"
RDS_CLUSTER_SNAPSHOT = "aws:rds/clusterSnapshot:ClusterSnapshot"
RDS_SNAPSHOT_COPY = "aws:rds/snapshotCopy:SnapshotCopy"
RDS_CLUSTER_SNAPSHOT_COPY = "aws:rds/clusterSnapshotCopy:ClusterSnapshotCopy"
RDS_BACKUP_REPLICATION = "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication"

KMS_KEY = "aws:kms/key:Key"
KMS_REPLICA_KEY = "aws:kms/replicaKey:ReplicaKey"
KMS_KEY_POLICY = "aws:kms/keyPolicy:KeyPolicy"
SECRET = "aws:secretsmanager/secret:Secret"  # noqa: S105 - a type token
SECRET_POLICY = "aws:secretsmanager/secretPolicy:SecretPolicy"  # noqa: S105
DISTRIBUTION = "aws:cloudfront/distribution:Distribution"
BACKUP_VAULT = "aws:backup/vault:Vault"
BACKUP_VAULT_POLICY = "aws:backup/vaultPolicy:VaultPolicy"
BACKUP_VAULT_LOCK = "aws:backup/vaultLockConfiguration:VaultLockConfiguration"
BACKUP_PLAN = "aws:backup/plan:Plan"
BACKUP_SELECTION = "aws:backup/selection:Selection"
VPC = "aws:ec2/vpc:Vpc"
SUBNET = "aws:ec2/subnet:Subnet"
FLOW_LOG = "aws:ec2/flowLog:FlowLog"
SECURITY_GROUP = "aws:ec2/securityGroup:SecurityGroup"
SECURITY_GROUP_RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"
INGRESS_RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
DEFAULT_SECURITY_GROUP = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
IAM_ROLE = "aws:iam/role:Role"
IAM_ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
IAM_POLICY = "aws:iam/policy:Policy"
IAM_ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
TRAIL = "aws:cloudtrail/trail:Trail"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
COMPOSITE_ALARM = "aws:cloudwatch/compositeAlarm:CompositeAlarm"
TOPIC = "aws:sns/topic:Topic"
TOPIC_POLICY = "aws:sns/topicPolicy:TopicPolicy"
QUEUE = "aws:sqs/queue:Queue"
QUEUE_POLICY = "aws:sqs/queuePolicy:QueuePolicy"
TASK_DEFINITION = "aws:ecs/taskDefinition:TaskDefinition"
ECS_SERVICE = "aws:ecs/service:Service"
SCHEDULE = "aws:scheduler/schedule:Schedule"
REPOSITORY = "aws:ecr/repository:Repository"
REPOSITORY_POLICY = "aws:ecr/repositoryPolicy:RepositoryPolicy"
# The SDK has the same types in two modules, and both under their former names.
LISTENERS = tuple(
    f"aws:{module}/listener:Listener" for module in ("lb", "alb", "elasticloadbalancingv2", "applicationloadbalancing")
)
LOAD_BALANCERS = tuple(
    f"aws:{module}/loadBalancer:LoadBalancer"
    for module in ("lb", "alb", "elasticloadbalancingv2", "applicationloadbalancing")
)


def is_replica(instance: Resource) -> bool:
    """Whether an RDS instance follows another, which has the backups. Only a known source says so."""
    return instance.text("replicateSourceDb") is not None


def role_of(resource: Resource) -> object:
    """The role tag of a bucket or log group: a text, or whatever stands in its place."""
    return read(resource.props, "tags.role")


def bucket_name(bucket: Resource) -> str | None:
    return bucket.text("bucket")


def replicas(stack: Index) -> set[str]:
    """URNs of buckets that another bucket in the stack is copied to."""
    by_arn = {f"arn:aws:s3:::{bucket_name(bucket)}": bucket.urn for bucket in stack.of(*S3_BUCKETS)}
    found = set()
    for config in stack.of(*S3_REPLICATION):
        rules = config.read("rules")
        for rule in rules if isinstance(rules, list) else ():
            destination = read(rule, "destination.bucket")
            if isinstance(destination, str) and destination in by_arn:
                found.add(by_arn[destination])
    return found
