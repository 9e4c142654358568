"""Everything with which an environment at home on AWS answers the world: services, tasks, queues, delivery."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from components.aws.alarm_rules import LoadBalanced
from components.aws.containers import create_log_group
from components.aws.delivery import create_delivery
from components.aws.load_balancer import LoadBalancer, create_load_balancer
from components.aws.platform import AwsPlatform
from components.aws.queues import create_queue, grant_queues
from components.aws.services import create_service
from components.aws.tasks import create_task
from components.guard import Guard
from components.serving import Serving
from settings.plan import EnvironmentPlan


def serve_on_aws(
    name: str,
    environment: EnvironmentPlan,
    platform: AwsPlatform,
    *,
    secrets: Sequence[pulumi.Resource],
    guard: Guard,
    parent: pulumi.Resource,
) -> Serving:
    """Create it all; one load balancer answers for every public host of a service.

    Args:
        name: prefix of the load balancer's names.
        environment: the environment's plan.
        platform: what it attaches to.
        secrets: what must be stored before anything reads it.
        guard: the retry of creations that meet a new role too early.
        parent: owning component.
    """
    needed = [*secrets]
    if environment.services or environment.tasks:
        needed.append(create_log_group(environment, platform, guard=guard, parent=parent))
    for key, queue in sorted(environment.queues.items()):
        create_queue(key, queue, environment=environment, platform=platform, guard=guard, parent=parent)
    if environment.queues:
        needed += grant_queues(environment, platform, parent=parent)
    public = {key: service for key, service in environment.services.items() if service.host is not None}
    balancer: LoadBalancer | None = None
    endpoints: dict[str, pulumi.Output[str]] = {}
    if public:
        balancer = create_load_balancer(
            name, public, environment=environment, platform=platform, guard=guard, parent=parent
        )
        endpoints = {str(service.host): balancer.resource.dns_name for service in public.values()}
    balanced: list[LoadBalanced] = []
    for key, service in sorted(environment.services.items()):
        balanced += create_service(
            key,
            service,
            environment=environment,
            platform=platform,
            balancer=balancer,
            depends_on=needed,
            guard=guard,
            parent=parent,
        )
    for key, task in sorted(environment.tasks.items()):
        create_task(
            key,
            task,
            environment=environment,
            platform=platform,
            depends_on=needed,
            guard=guard,
            parent=parent,
        )
    if environment.delivery is not None:
        endpoints[environment.delivery.host] = create_delivery(
            "delivery", environment.delivery, environment=environment, platform=platform, guard=guard, parent=parent
        )
    return Serving(endpoints=endpoints, revisions={}, balanced=tuple(balanced))
