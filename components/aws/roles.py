"""One IAM role per workload, with the least that it needs; no user and no access key, ever (R5.4)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, get_args

import pulumi
import pulumi_aws as aws

from components.aws import naming
from components.aws.platform import Role, Workload
from components.aws.policy_document import Statement, allow, document, trust_roles, trust_service, use_key
from settings.plan import EnvironmentPlan

ADMIN_USER: Final = "tenantry_admin"
"""Master user of every instance; its password is managed by RDS and read by the SQL job alone."""
DATABASE_USERS: Final[Mapping[Workload, str]] = {
    "worker": "tenantry_worker",
    "migrator": "tenantry_migrator",
    # the name is the SQL job's own (jobs/sql/registry.py), which gives it the right to read
    "backup": "tenantry_backup",
}
"""Database users that log in with their role's IAM token; the SQL job makes them."""
EXECUTION: Final = "execution"
WEB: Final = "web"
"""The web application on Vercel; the role is made with its trust (components/aws/vercel_identity.py)."""
FILES: Final = "files"
DATABASE_MONITORING: Final = "rds-monitoring"
TENANT_TAG: Final = "tenant"

_PURPOSE: Final[Mapping[Workload, str]] = {
    "gateway": "Serves the application; reads the database URLs of tenants",
    "worker": "Background jobs; logs in to databases with its identity",
    "migrator": "Schema migrations; logs in to databases with its identity",
    "backup": "Exports and restore drills",
    "sqljob": "Isolates tenants inside the databases and rotates their logins",
    "watch": "Reports the age of exports, drills and secrets",
    "scheduler": "Starts tasks by the clock",
}
_ECR_IMAGE: Final = re.compile(r"([0-9]{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com/([a-z0-9._/-]+)@sha256:.*")


@dataclass(frozen=True, kw_only=True)
class Roles:
    """Every role of the environment's own workloads and of the services that work for them."""

    workloads: Mapping[Workload, Role]
    execution: Role
    files: Role
    database_monitoring: Role


def create_roles(environment: EnvironmentPlan, *, parent: pulumi.Resource) -> Roles:
    """Create the roles and what each may do; every ARN in their policies is a literal or a pattern of literals."""
    tasks = trust_service(
        environment,
        "ecs-tasks.amazonaws.com",
        source=f"arn:aws:ecs:{environment.aws.region}:{environment.aws.account_id}:*",
    )
    clock = trust_service(environment, "scheduler.amazonaws.com")
    rights = _rights(environment)
    return Roles(
        workloads={
            workload: create_role(
                environment,
                workload,
                description=_PURPOSE[workload],
                trust=clock if workload == "scheduler" else tasks,
                statements=rights[workload],
                parent=parent,
            )
            for workload in get_args(Workload)
        },
        execution=create_role(
            environment,
            EXECUTION,
            description="Starts tasks: image, log, application secrets",
            trust=tasks,
            statements=_execution(environment),
            parent=parent,
        ),
        files=create_role(
            environment,
            FILES,
            description="The uploads of the one tenant that the session is tagged with",
            trust=trust_roles(
                environment, [naming.role_arn(environment, user) for user in _users_of_files(environment)], [TENANT_TAG]
            ),
            statements=_files(environment),
            parent=parent,
        ),
        database_monitoring=_monitoring_role(environment, parent),
    )


def create_role(
    environment: EnvironmentPlan,
    name: str,
    *,
    description: str,
    trust: str,
    statements: Sequence[Statement],
    parent: pulumi.Resource,
    depends_on: Sequence[pulumi.Resource] = (),
) -> Role:
    """Create a role with one inline policy, which goes with it and is nobody else's."""
    role = aws.iam.Role(
        f"role-{name}",
        name=naming.role_name(environment, name),
        description=description,
        assume_role_policy=trust,
        opts=pulumi.ResourceOptions(parent=parent, depends_on=list(depends_on)),
    )
    rights = aws.iam.RolePolicy(
        f"role-{name}-rights",
        name=name,
        role=role.name,
        policy=document(statements),
        opts=pulumi.ResourceOptions(parent=parent),
    )
    return Role(
        resource=role,
        name=naming.role_name(environment, name),
        arn=naming.role_arn(environment, name),
        rights=(rights,),
    )


def _monitoring_role(environment: EnvironmentPlan, parent: pulumi.Resource) -> Role:
    role = aws.iam.Role(
        f"role-{DATABASE_MONITORING}",
        name=naming.role_name(environment, DATABASE_MONITORING),
        description="RDS publishes enhanced monitoring",
        assume_role_policy=trust_service(
            environment,
            "monitoring.rds.amazonaws.com",
            source=f"arn:aws:rds:*:{environment.aws.account_id}:db:{naming.prefix(environment)}-*",
        ),
        opts=pulumi.ResourceOptions(parent=parent),
    )
    rights = aws.iam.RolePolicyAttachment(
        f"role-{DATABASE_MONITORING}-rights",
        role=role.name,
        # the log group is the service's own, and so is the policy that names it
        policy_arn="arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole",
        opts=pulumi.ResourceOptions(parent=parent),
    )
    return Role(
        resource=role,
        name=naming.role_name(environment, DATABASE_MONITORING),
        arn=naming.role_arn(environment, DATABASE_MONITORING),
        rights=(rights,),
    )


def _rights(environment: EnvironmentPlan) -> Mapping[Workload, list[Statement]]:
    """What each workload needs always; exports, drills and reports are granted with their schedules."""
    registry = read_registry(environment)
    application = [
        *registry,
        *_read_secrets(environment, "app-*", "tenant-*-database-url"),
        take_files_role(environment),
    ]
    return {
        "gateway": [*application, *_write_assets(environment)],
        "worker": [*application, _log_in(environment, "worker")],
        "migrator": [*registry, _log_in(environment, "migrator")],
        "backup": [*registry, _log_in(environment, "backup")],
        "sqljob": [*registry, *_isolate(environment)],
        "watch": registry,
        "scheduler": _start_tasks(environment),
    }


def take_files_role(environment: EnvironmentPlan) -> Statement:
    """The right to reach a tenant's uploads, one tenant at a time."""
    return allow("TakeFilesRole", ["sts:AssumeRole", "sts:TagSession"], naming.role_arn(environment, FILES))


def read_registry(environment: EnvironmentPlan) -> list[Statement]:
    """The right to know every tenant."""
    bucket = naming.bucket_arn(environment.buckets.registry)
    return [
        allow("ListRegistry", "s3:ListBucket", bucket),
        allow("ReadRegistry", "s3:GetObject", f"{bucket}/*"),
        use_key(environment, "storage", environment.aws.region, "s3", sid="DecryptRegistry"),
    ]


def _read_secrets(environment: EnvironmentPlan, *names: str) -> list[Statement]:
    return [
        allow(
            "ReadSecrets",
            ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"],
            [naming.secret_arn(environment, name) for name in names],
        ),
        use_key(environment, "secrets", environment.aws.region, "secretsmanager", sid="DecryptSecrets"),
    ]


def _write_assets(environment: EnvironmentPlan) -> list[Statement]:
    bucket = naming.bucket_arn(environment.buckets.assets)
    return [
        allow("ListAssets", "s3:ListBucket", bucket),
        allow("WriteAssets", ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"], f"{bucket}/*"),
        use_key(environment, "storage", environment.aws.region, "s3", sid="EncryptAssets", encrypt=True),
    ]


def _log_in(environment: EnvironmentPlan, workload: Workload) -> Statement:
    return allow("LogIn", "rds-db:connect", naming.database_user_arn(environment, DATABASE_USERS[workload]))


def _isolate(environment: EnvironmentPlan) -> list[Statement]:
    """Read credentials, master passwords and final markers, publish URLs and statuses: nothing else of a tenant."""
    registry = naming.bucket_arn(environment.buckets.registry)
    exports = naming.bucket_arn(environment.buckets.exports)
    home, away = environment.aws.region, environment.aws.backup_region
    return [
        # a removed tenant's database goes when its final export is proved, and a restore reads a dump; of the whole
        # bucket, because only who may list it is told that an object is missing instead of refused
        allow("ListExports", "s3:ListBucket", exports),
        allow("ReadExports", "s3:GetObject", [f"{exports}/dump/*", f"{exports}/final/*"]),
        use_key(environment, "storage", away, "s3", sid="DecryptExports"),
        allow("WriteStatus", "s3:PutObject", f"{registry}/status/*"),
        use_key(environment, "storage", home, "s3", sid="EncryptStatus", encrypt=True),
        allow(
            "ReadCredentials",
            "secretsmanager:GetSecretValue",
            [naming.secret_arn(environment, "tenant-*-credential"), naming.master_secrets_arn(environment)],
        ),
        allow(
            "PublishUrls",
            ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"],
            naming.secret_arn(environment, "tenant-*-database-url"),
        ),
        use_key(environment, "secrets", home, "secretsmanager", sid="UseSecrets", encrypt=True),
    ]


def _start_tasks(environment: EnvironmentPlan) -> list[Statement]:
    cluster = naming.cluster_arn(environment)
    runners: list[str] = [*(workload for workload in get_args(Workload) if workload != "scheduler"), EXECUTION]
    return [
        allow(
            "StartTasks",
            "ecs:RunTask",
            naming.task_definition_arn(environment, "*"),
            {"ArnEquals": {"ecs:cluster": cluster}},
        ),
        allow(
            "TagTasks",
            "ecs:TagResource",
            naming.task_arns(environment),
            {"StringEquals": {"ecs:CreateAction": "RunTask"}},
        ),
        allow(
            "GiveRoles",
            "iam:PassRole",
            [naming.role_arn(environment, runner) for runner in sorted(runners)],
            {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
        ),
    ]


def _execution(environment: EnvironmentPlan) -> list[Statement]:
    log_groups = naming.log_group_arn(environment, naming.log_group_name(environment, "*"))
    statements = [
        allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], f"{log_groups}:log-stream:*"),
        *_read_secrets(environment, "app-*"),
    ]
    repositories = _repositories(_images(environment))
    if repositories:
        statements += [
            # a token for the registry as a whole, for which no narrower resource exists
            allow("LogInToRegistry", "ecr:GetAuthorizationToken", "*"),
            allow(
                "PullImages",
                ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
                repositories,
            ),
        ]
    return statements


def _images(environment: EnvironmentPlan) -> Iterable[str]:
    yield environment.aws.jobs_image
    for service in environment.services.values():
        yield service.image
        if service.canary is not None:
            yield service.canary.image
    for task in environment.tasks.values():
        yield task.image


def _repositories(images: Iterable[str]) -> list[str]:
    """ARNs of the images' repositories; other registries than ECR know nothing of IAM."""
    found = (_ECR_IMAGE.fullmatch(image) for image in images)
    return sorted({f"arn:aws:ecr:{match[2]}:{match[1]}:repository/{match[3]}" for match in found if match is not None})


def _users_of_files(environment: EnvironmentPlan) -> list[str]:
    return ["gateway", "worker"] if environment.vercel is None else ["gateway", "worker", WEB]


def _files(environment: EnvironmentPlan) -> list[Statement]:
    """The folder of the session's tenant in the shared bucket, and the bucket of its own if it has one.

    Two statements for any number of tenants: a role's policies hold ten thousand characters, so a statement for each
    would end at some eighty of them. An own bucket is named after its tenant, so the same tag finds it.
    """
    tenant = f"${{aws:PrincipalTag/{TENANT_TAG}}}"
    shared = naming.bucket_arn(environment.buckets.uploads)
    own = naming.bucket_arn(f"{naming.prefix(environment)}-{tenant}-uploads")
    return [
        allow("ListFolder", "s3:ListBucket", shared, {"StringLike": {"s3:prefix": f"{tenant}/*"}}),
        allow("ListOwnBucket", "s3:ListBucket", own),
        allow(
            "UseFiles",
            [
                "s3:AbortMultipartUpload",
                "s3:DeleteObject",
                "s3:GetObject",
                "s3:ListMultipartUploadParts",
                "s3:PutObject",
            ],
            [f"{shared}/{tenant}/*", f"{own}/*"],
        ),
        use_key(environment, "storage", environment.aws.region, "s3", sid="EncryptFiles", encrypt=True),
    ]
