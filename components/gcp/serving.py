"""Everything with which an environment at home on Google Cloud answers the world: services, tasks, queues, delivery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi

from components.gcp.delivery import create_delivery
from components.gcp.load_balancer import Route, create_load_balancer, service_backend
from components.gcp.platform import Platform
from components.gcp.queues import allow_push, create_queue, grant_push
from components.gcp.services import RunService, create_service
from components.gcp.tasks import create_task
from components.guard import Guard
from components.serving import Serving
from settings.plan import EnvironmentPlan


def serve_on_gcp(
    name: str,
    environment: EnvironmentPlan,
    platform: Platform,
    *,
    stable: Mapping[str, str],
    secrets: Sequence[pulumi.Resource],
    guard: Guard,
    parent: pulumi.Resource,
) -> Serving:
    """Create it all; one load balancer answers every public host.

    Args:
        name: prefix of the load balancer's Pulumi names.
        environment: the environment's plan.
        platform: what it attaches to.
        stable: revision of each service that took all traffic after the last `up` without a canary.
        secrets: what must be stored before anything reads it.
        guard: the retry of creations that meet a grant too early.
        parent: owning component.
    """
    services: dict[str, RunService] = {}
    routes: list[Route] = []
    for key, service in sorted(environment.services.items()):
        services[key] = create_service(
            key,
            service,
            environment=environment,
            platform=platform,
            stable=stable.get(key),
            depends_on=secrets,
            guard=guard,
            parent=parent,
        )
        if service.host is not None:
            backend = service_backend(
                key,
                service,
                services[key].resource,
                inside=sorted({queue.path for queue in environment.queues.values() if queue.service == key}),
                environment=environment,
                platform=platform,
                guard=guard,
                parent=parent,
            )
            routes.append(Route(key=key, host=service.host, backend=backend.id))
    for key, task in sorted(environment.tasks.items()):
        create_task(
            key, task, environment=environment, platform=platform, depends_on=secrets, guard=guard, parent=parent
        )
    if environment.queues:
        allow_push(f"{name}-push", environment, platform, guard=guard, parent=parent)
    invokers = {
        key: grant_push(key, services[key], environment, platform, parent=parent)
        for key in sorted({queue.service for queue in environment.queues.values()})
    }
    for key, queue in sorted(environment.queues.items()):
        create_queue(
            key,
            queue,
            invokers[queue.service],
            environment=environment,
            platform=platform,
            guard=guard,
            parent=parent,
        )
    if environment.delivery is not None:
        routes.append(
            create_delivery(
                "delivery",
                environment.delivery,
                environment=environment,
                platform=platform,
                guard=guard,
                parent=parent,
            )
        )
    endpoints: dict[str, pulumi.Output[str]] = {}
    if routes:
        address = create_load_balancer(
            name, routes, environment=environment, platform=platform, guard=guard, parent=parent
        )
        endpoints = {route.host: address.address for route in routes}
    return Serving(endpoints=endpoints, revisions={key: _deployed(made) for key, made in services.items()})


def _deployed(service: RunService) -> pulumi.Output[str]:
    """The revision to compare a canary with; it counts once the service has it."""
    return service.resource.id.apply(lambda _: service.stable)
