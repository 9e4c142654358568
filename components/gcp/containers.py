"""What every container of the application shares on Google Cloud, service or task: its variables and its secrets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi_gcp as gcp

from components.application import application_secrets, queue_variable, whereabouts
from settings.names import app_secret
from settings.plan import EnvironmentPlan


def app_name(workload: str) -> str:
    """Cloud name of a service, task or queue; Tenantry's own jobs begin with `tenantry-`."""
    return f"app-{workload}"


def topic_path(environment: EnvironmentPlan, queue: str) -> str:
    """Full name of a queue's topic, to publish to."""
    return f"projects/{environment.gcp.project}/topics/{app_name(queue)}"


def container_variables(
    environment: EnvironmentPlan, plain: Mapping[str, str], secrets: Sequence[str] | None
) -> list[gcp.cloudrunv2.ServiceTemplateContainerEnvArgsDict]:
    """All variables by name. A secret is read when an instance starts, always in its newest version."""
    values = {
        "TENANTRY_PROJECT": environment.gcp.project,
        **whereabouts(environment, "gcp"),
        **{queue_variable(queue): topic_path(environment, queue) for queue in environment.queues},
        **plain,
    }
    variables: dict[str, gcp.cloudrunv2.ServiceTemplateContainerEnvArgsDict] = {
        key: {"name": key, "value": value} for key, value in values.items()
    }
    for secret in application_secrets(environment, secrets):
        reference: gcp.cloudrunv2.ServiceTemplateContainerEnvValueSourceSecretKeyRefArgsDict = {
            "secret": app_secret(secret),
            "version": "latest",
        }
        variables[secret] = {"name": secret, "value_source": {"secret_key_ref": reference}}
    return [variables[key] for key in sorted(variables)]
