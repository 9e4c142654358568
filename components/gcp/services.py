"""The application's services on Cloud Run: private containers that only the load balancer and the project itself reach.

A service stores nothing, so it has no key of its own: Cloud Run would encrypt no more than its copy of the image.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

import pulumi
import pulumi_gcp as gcp

from components.gcp.containers import app_name, container_variables
from components.gcp.platform import Platform
from components.guard import Guard
from settings.models import ServiceSettings
from settings.plan import EnvironmentPlan

_BY_REVISION: Final = "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION"
_EGRESS: Final = "PRIVATE_RANGES_ONLY"


@dataclass(frozen=True, kw_only=True)
class RunService:
    """A service and the revision that is known to work: the one that a canary is compared with."""

    resource: gcp.cloudrunv2.Service
    stable: str


def create_service(
    name: str,
    settings: ServiceSettings,
    *,
    environment: EnvironmentPlan,
    platform: Platform,
    stable: str | None,
    depends_on: Sequence[pulumi.Resource],
    guard: Guard,
    parent: pulumi.Resource,
) -> RunService:
    """Create a service, whose newest revision takes all traffic, or the canary's share of it.

    The template describes one revision only, the newest. The other one of a canary is the revision that took all
    traffic before, which exists already: that is why a canary needs an `up` of the service before it.

    Args:
        name: name of the service in the settings.
        settings: what it is.
        environment: the environment's plan.
        platform: what it attaches to.
        stable: revision that took all traffic after the last `up` without a canary.
        depends_on: the secrets that it reads.
        guard: the retry of creations that meet a grant too early.
        parent: owning component.

    Raises:
        LookupError: a canary without `stable`; `settings.lifecycle` refuses that before.
    """
    account, service = platform.accounts[settings.account], app_name(name)
    template = _template(settings, environment)
    # the network's own id is known after the first `up` only; what is chosen about it is in the name
    chosen = {**template, "service_account": account.email, "egress": _EGRESS}
    revision = f"{service}-{_fingerprint(chosen, environment)}"
    traffic = {revision: 100}
    if settings.canary is not None:
        if stable is None:
            raise LookupError(f"service {name} has a canary and no revision to compare it with")
        traffic = {revision: settings.canary.percent, stable: 100 - settings.canary.percent}
        if stable == revision:
            traffic = {revision: 100}
    created = gcp.cloudrunv2.Service(
        f"service-{name}",
        name=service,
        project=environment.gcp.project,
        location=environment.gcp.region,
        ingress="INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER" if settings.host else "INGRESS_TRAFFIC_INTERNAL_ONLY",
        # it holds no data, and a protected service would stop a change of its place
        deletion_protection=False,
        template={
            **template,
            "revision": revision,
            "service_account": account.email,
            "vpc_access": {
                "egress": _EGRESS,
                "network_interfaces": [{"network": platform.network.id, "subnetwork": platform.subnetwork.id}],
            },
        },
        traffics=[
            {"type": _BY_REVISION, "revision": each, "percent": percent} for each, percent in traffic.items() if percent
        ],
        opts=guard.retrying(parent, depends_on=[*platform.ready("run.googleapis.com"), account.resource, *depends_on]),
    )
    if settings.host is not None:
        # the load balancer has no identity; nothing else from outside gets past the ingress setting
        grant_invoker(f"service-{name}-public", created, "allUsers", environment, depends_on=[], parent=parent)
    return RunService(resource=created, stable=revision if settings.canary is None else cast(str, stable))


def grant_invoker(
    name: str,
    service: gcp.cloudrunv2.Service,
    member: str,
    environment: EnvironmentPlan,
    *,
    depends_on: Sequence[pulumi.Resource],
    parent: pulumi.Resource,
) -> gcp.cloudrunv2.ServiceIamMember:
    """Let `member` call the service."""
    return gcp.cloudrunv2.ServiceIamMember(
        name,
        project=environment.gcp.project,
        location=environment.gcp.region,
        name=service.name,
        role="roles/run.invoker",
        member=member,
        opts=pulumi.ResourceOptions(parent=parent, depends_on=list(depends_on)),
    )


def service_url(name: str, environment: EnvironmentPlan) -> str:
    """The service's own address, which answers inside the project only; known before the service exists."""
    return f"https://{app_name(name)}-{environment.gcp.project_number}.{environment.gcp.region}.run.app"


def _template(settings: ServiceSettings, environment: EnvironmentPlan) -> gcp.cloudrunv2.ServiceTemplateArgsDict:
    """What makes a revision, but for its name and what the environment gives to all alike; literals only."""
    health: gcp.cloudrunv2.ServiceTemplateContainerStartupProbeHttpGetArgsDict = {
        "path": settings.health_path,
        "port": settings.port,
    }
    alive: gcp.cloudrunv2.ServiceTemplateContainerLivenessProbeHttpGetArgsDict = {
        "path": settings.health_path,
        "port": settings.port,
    }
    return {
        "execution_environment": "EXECUTION_ENVIRONMENT_GEN2",
        "max_instance_request_concurrency": settings.concurrency,
        "timeout": f"{settings.timeout_seconds}s",
        "scaling": {
            "min_instance_count": settings.min_instances,
            "max_instance_count": settings.max_instances,
        },
        "containers": [
            {
                "image": settings.image if settings.canary is None else settings.canary.image,
                "ports": {"container_port": settings.port},
                "envs": container_variables(environment, settings.variables, settings.secrets),
                "resources": {
                    "limits": {"cpu": str(settings.cpu), "memory": f"{settings.memory_mb}Mi"},
                    "cpu_idle": True,
                    "startup_cpu_boost": True,
                },
                # a start may take two and a half minutes
                "startup_probe": {
                    "http_get": health,
                    "initial_delay_seconds": 0,
                    "period_seconds": 5,
                    "timeout_seconds": 5,
                    "failure_threshold": 30,
                },
                "liveness_probe": {
                    "http_get": alive,
                    "initial_delay_seconds": 0,
                    "period_seconds": 30,
                    "timeout_seconds": 5,
                    "failure_threshold": 3,
                },
            }
        ],
    }


def _fingerprint(template: Mapping[str, object], environment: EnvironmentPlan) -> str:
    """Names a revision by what it is made of, so that every change is a new one and no change is none.

    A rotation counts as a change: instances read secrets when they start, and a new revision starts new ones.
    """
    made_of = {"template": template, "rotation": environment.secrets.rotation}
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:10]
