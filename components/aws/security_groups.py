"""Who may speak to whom: a security group per workload, and one for the databases that knows groups and no address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, get_args

import pulumi
import pulumi_aws as aws

from components.aws.naming import prefix
from components.aws.platform import Workload
from settings.plan import EnvironmentPlan

POSTGRES_PORT: Final = 5432
_ANYWHERE: Final = "0.0.0.0/0"

# Where each workload may connect to on the internet, whose addresses nobody knows beforehand. All of it is encrypted:
# HTTPS (AWS's own APIs too), mail submission, and Redis over TLS as Upstash offers it (S2).
_HTTPS: Final = 443
_APPLICATION_PORTS: Final = (_HTTPS, 465, 587, 6379)
_INTERNET: Final[Mapping[Workload, tuple[int, ...]]] = {
    "gateway": _APPLICATION_PORTS,
    "worker": _APPLICATION_PORTS,
    "migrator": (_HTTPS,),
    "backup": (_HTTPS,),
    "sqljob": (_HTTPS,),
    "watch": (_HTTPS,),
}
GUEST_PORTS: Final = (POSTGRES_PORT, 6543)
"""Where guest databases listen: PostgreSQL's own port, and Supabase's pooler."""
_OF_GUESTS: Final[tuple[Workload, ...]] = ("gateway", "worker", "backup")
"""Who reads the URLs of guests."""
DATABASE_CLIENTS: Final[tuple[Workload, ...]] = ("gateway", "worker", "migrator", "sqljob", "backup")


def create_workload_groups(
    environment: EnvironmentPlan, vpc: aws.ec2.Vpc, *, guests: bool, parent: pulumi.Resource
) -> dict[Workload, aws.ec2.SecurityGroup]:
    """Create a group for each workload that runs as tasks, with its ways out; none lets anything in.

    Args:
        environment: for the names.
        vpc: where they are.
        guests: whether there are databases outside to connect to.
        parent: owning component.
    """
    groups: dict[Workload, aws.ec2.SecurityGroup] = {}
    for workload in get_args(Workload):
        if workload not in _INTERNET:
            continue
        groups[workload] = _group(workload, environment, vpc, f"Tasks of the {workload}", parent)
        ports = sorted({*_INTERNET[workload], *(GUEST_PORTS if guests and workload in _OF_GUESTS else ())})
        for port in ports:
            aws.vpc.SecurityGroupEgressRule(
                f"{workload}-to-internet-{port}",
                security_group_id=groups[workload].id,
                description=f"To the internet, port {port}",
                ip_protocol="tcp",
                from_port=port,
                to_port=port,
                cidr_ipv4=_ANYWHERE,
                opts=pulumi.ResourceOptions(parent=parent),
            )
    return groups


def create_database_group(
    environment: EnvironmentPlan,
    vpc: aws.ec2.Vpc,
    clients: Mapping[Workload, aws.ec2.SecurityGroup],
    *,
    parent: pulumi.Resource,
) -> aws.ec2.SecurityGroup:
    """Create the databases' group: the clients' groups and nothing else come in, and nothing goes out."""
    group = _group("database", environment, vpc, "PostgreSQL, from workloads only", parent)
    opts = pulumi.ResourceOptions(parent=parent)
    for workload in DATABASE_CLIENTS:
        aws.vpc.SecurityGroupIngressRule(
            f"database-from-{workload}",
            security_group_id=group.id,
            description=f"PostgreSQL from the {workload}",
            ip_protocol="tcp",
            from_port=POSTGRES_PORT,
            to_port=POSTGRES_PORT,
            referenced_security_group_id=clients[workload].id,
            opts=opts,
        )
        aws.vpc.SecurityGroupEgressRule(
            f"{workload}-to-database",
            security_group_id=clients[workload].id,
            description="PostgreSQL to the databases",
            ip_protocol="tcp",
            from_port=POSTGRES_PORT,
            to_port=POSTGRES_PORT,
            referenced_security_group_id=group.id,
            opts=opts,
        )
    return group


def _group(
    name: str, environment: EnvironmentPlan, vpc: aws.ec2.Vpc, description: str, parent: pulumi.Resource
) -> aws.ec2.SecurityGroup:
    full_name = f"{prefix(environment)}-{name}"
    return aws.ec2.SecurityGroup(
        f"group-{name}",
        name=full_name,
        description=description,
        vpc_id=vpc.id,
        tags={"Name": full_name},
        opts=pulumi.ResourceOptions(parent=parent),
    )
