"""Snapshots of the RDS instances by AWS Backup: locked vaults, copies in another region, weekly restores.

RDS' own backups are gone with the instance's region and are the instance's to change; these are neither (R3.5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_aws as aws

from components.aws.naming import account_root, database_arn, prefix, role_name
from components.aws.platform import AwsPlatform
from components.aws.policy_document import document, trust_service
from components.guard import Guard
from settings.aws_cron import to_aws
from settings.defaults import FLOORS
from settings.plan import EnvironmentPlan, InstancePlan

COMPLIANCE_GRACE_DAYS: Final = 3
"""Days in which a compliance lock can still be taken back; 3 is the least that AWS takes."""
START_WINDOW_MINUTES: Final = 60
COMPLETION_WINDOW_MINUTES: Final = 600
DRILL_WINDOW_DAYS: Final = 7
"""The newest snapshot of these days is restored; the drill is weekly."""

_HOURS: Final = 24
_MANAGED: Final = "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyFor"
# A restore test names thirty instances at most (CreateRestoreTestingSelection); the vault holds no others.
_ANY: Final = "*"


@dataclass(frozen=True, kw_only=True)
class Vaults:
    """Where snapshots are."""

    home: aws.backup.Vault
    copies: aws.backup.Vault
    ready: tuple[pulumi.Resource, ...]
    """Their locks and policies: before them a snapshot could be deleted."""


def vault_arn(environment: EnvironmentPlan, region: str) -> str:
    """A vault's ARN, a literal; it has the same name in both regions."""
    return f"arn:aws:backup:{region}:{environment.aws.account_id}:backup-vault:{prefix(environment)}"


def create_vaults(
    environment: EnvironmentPlan, platform: AwsPlatform, *, guard: Guard, parent: pulumi.Resource
) -> Vaults:
    """Create a vault at home and one in the backup region, each under a key of its region.

    Where the environment locks, a vault takes no snapshot that is kept for less than the environment's floor, and
    nobody but the account's root user deletes one before its time. That is governance mode: a lock that whoever may
    manage vaults can also remove. Compliance mode, which nobody can, is a flag of its own.
    """
    vaults, ready = {}, []
    for role, region in (("home", environment.aws.region), ("copies", environment.aws.backup_region)):
        vault = aws.backup.Vault(
            f"vault-{role}",
            name=prefix(environment),
            kms_key_arn=platform.keys["backup", region].arn,
            force_destroy=False,
            region=region,
            opts=guard.options(parent, guarded=True, depends_on=[platform.keys["backup", region].resource]),
        )
        vaults[role] = vault
        if not environment.lock:
            continue
        opts = pulumi.ResourceOptions(parent=parent)
        policy = aws.backup.VaultPolicy(
            f"vault-{role}-policy",
            backup_vault_name=vault.name,
            policy=_keep_everything(environment),
            region=region,
            opts=opts,
        )
        lock = aws.backup.VaultLockConfiguration(
            f"vault-{role}-lock",
            backup_vault_name=vault.name,
            min_retention_days=FLOORS[environment.name].retained_backups,
            changeable_for_days=COMPLIANCE_GRACE_DAYS if environment.backups.compliance_vault else None,
            region=region,
            # a vault has one lock: deleting the former after the new one is made would take the new one off
            opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(delete_before_replace=True)),
        )
        ready += [policy, lock]
    return Vaults(home=vaults["home"], copies=vaults["copies"], ready=tuple(ready))


def _keep_everything(environment: EnvironmentPlan) -> str:
    """AWS Backup's own expiry is not a principal's deletion, so it goes on."""
    return document(
        [
            {
                "Sid": "NobodyDeletes",
                "Effect": "Deny",
                "Principal": "*",
                "Action": [
                    "backup:DeleteBackupVault",
                    "backup:DeleteRecoveryPoint",
                    "backup:DisassociateRecoveryPoint",
                    "backup:UpdateRecoveryPointLifecycle",
                ],
                # of a vault's policy: whatever is in the vault
                "Resource": "*",
                "Condition": {"ArnNotEquals": {"aws:PrincipalArn": account_root(environment)}},
            }
        ]
    )


def snapshot_hour(instances: Sequence[InstancePlan]) -> int:
    """UTC hour in which snapshots start: the first after the earliest native backup that is free on every instance.

    RDS refuses a snapshot while its own backup or maintenance runs, or in the hour before. With instances that leave no
    hour free it is simply the second after the earliest backup: AWS Backup tries again during its start window.
    """
    taken = {
        hour % _HOURS
        for instance in instances
        for begins in (instance.backup_hour, instance.maintenance_hour)
        for hour in (begins - 1, begins)
    }
    earliest = min(instance.backup_hour for instance in instances)
    after = [(earliest + step) % _HOURS for step in range(1, _HOURS)]
    return next((hour for hour in after if hour not in taken), (earliest + 2) % _HOURS)


def schedule_snapshots(
    environment: EnvironmentPlan,
    instances: Sequence[InstancePlan],
    vaults: Vaults,
    *,
    depends_on: Sequence[pulumi.Resource],
    guard: Guard,
    parent: pulumi.Resource,
) -> tuple[aws.backup.Plan, aws.iam.Role, tuple[pulumi.Resource, ...]]:
    """One plan for all instances, kept as long as the one that asks for most, copied to the backup region.

    The instances are named one by one: a tag could be taken off, and a preview can tell that none is missing. They are
    all in the home region, where the environment's network is.

    Args:
        environment: names, regions, labels.
        instances: at least one.
        vaults: where to.
        depends_on: the instances' resources.
        guard: the retry of creations that meet a new role too early.
        parent: the component that owns them.

    Returns:
        The plan, the service's role, and what the role's rights depend on.
    """
    keep = max(instance.retained_backups for instance in instances)
    role, rights = _service_role(environment, parent)
    plan = aws.backup.Plan(
        "snapshots",
        name=prefix(environment),
        rules=[
            aws.backup.PlanRuleArgs(
                rule_name="daily",
                target_vault_name=vaults.home.name,
                schedule=f"cron(0 {snapshot_hour(instances)} * * ? *)",
                schedule_expression_timezone="Etc/UTC",
                start_window=START_WINDOW_MINUTES,
                completion_window=COMPLETION_WINDOW_MINUTES,
                enable_continuous_backup=False,
                # snapshots of RDS have no cold storage
                lifecycle=aws.backup.PlanRuleLifecycleArgs(delete_after=keep),
                copy_actions=[
                    aws.backup.PlanRuleCopyActionArgs(
                        destination_vault_arn=vault_arn(environment, environment.aws.backup_region),
                        lifecycle=aws.backup.PlanRuleCopyActionLifecycleArgs(delete_after=keep),
                    )
                ],
                recovery_point_tags=dict(environment.labels),
            )
        ],
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[vaults.copies, *vaults.ready]),
    )
    aws.backup.Selection(
        "snapshots-instances",
        name="rds",
        plan_id=plan.id,
        iam_role_arn=role.arn,
        resources=sorted(database_arn(environment, instance.name) for instance in instances),
        opts=guard.retrying(parent, depends_on=[*rights, *depends_on]),
    )
    return plan, role, rights


def _service_role(
    environment: EnvironmentPlan, parent: pulumi.Resource
) -> tuple[aws.iam.Role, tuple[pulumi.Resource, ...]]:
    opts = pulumi.ResourceOptions(parent=parent)
    role = aws.iam.Role(
        "snapshots-role",
        name=role_name(environment, "snapshots"),
        description="AWS Backup takes, copies and restores snapshots",
        assume_role_policy=trust_service(environment, "backup.amazonaws.com"),
        opts=opts,
    )
    return role, tuple(
        aws.iam.RolePolicyAttachment(
            f"snapshots-role-{purpose.lower()}",
            role=role.name,
            # the service's own and kept up with it; each of its rights is bound to what AWS Backup made
            policy_arn=f"{_MANAGED}{purpose}",
            opts=opts,
        )
        for purpose in ("Backup", "Restores")
    )


def create_restore_test(
    environment: EnvironmentPlan,
    platform: AwsPlatform,
    vaults: Vaults,
    role: aws.iam.Role,
    *,
    depends_on: Sequence[pulumi.Resource],
    parent: pulumi.Resource,
) -> Mapping[str, pulumi.Resource]:
    """Restore the newest snapshot of every instance weekly, look whether it comes up, and delete it again (R3.4).

    The scratch instances are in the private subnets, under a security group that lets nothing in and nothing out: what
    is in a snapshot is proved by the drill of the exports, this proves that snapshots can be restored at all.
    """
    opts = pulumi.ResourceOptions(parent=parent)
    full_name = f"{prefix(environment)}-restore-test"
    group = aws.ec2.SecurityGroup(
        "restore-test-group",
        name=full_name,
        description="Restored for a test: nothing comes in, nothing goes out",
        vpc_id=platform.vpc.id,
        # written out: an unset list is whatever the server makes of it
        ingress=[],
        egress=[],
        tags={"Name": full_name},
        opts=opts,
    )
    plan = aws.backup.RestoreTestingPlan(
        "restore-test",
        # letters, digits and underscores only
        name=prefix(environment).replace("-", "_"),
        schedule_expression=to_aws(environment.backups.drill_schedule),
        schedule_expression_timezone=environment.backups.time_zone,
        start_window_hours=1,
        recovery_point_selection=aws.backup.RestoreTestingPlanRecoveryPointSelectionArgs(
            algorithm="LATEST_WITHIN_WINDOW",
            include_vaults=[vault_arn(environment, environment.aws.region)],
            recovery_point_types=["SNAPSHOT"],
            selection_window_days=DRILL_WINDOW_DAYS,
        ),
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[vaults.home]),
    )
    network = platform.database_network
    selection = aws.backup.RestoreTestingSelection(
        "restore-test-instances",
        name="rds",
        restore_testing_plan_name=plan.name,
        protected_resource_type="RDS",
        protected_resource_arns=[_ANY],
        iam_role_arn=role.arn,
        restore_metadata_overrides={
            "dbSubnetGroupName": network.subnet_group.name,
            "multiAz": "false",
            "publiclyAccessible": "false",
            "vpcSecurityGroupIds": group.id.apply(lambda group_id: f'["{group_id}"]'),
        },
        # time enough to look at it by hand; then the scratch instance is deleted
        validation_window_hours=1,
        opts=pulumi.ResourceOptions(parent=parent, depends_on=list(depends_on)),
    )
    return {"group": group, "plan": plan, "selection": selection}
