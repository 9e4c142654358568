"""Enabling Google's APIs, and the service agents that only exist once something has asked for them."""

from __future__ import annotations

from typing import Final

import pulumi
import pulumi_gcp as gcp

# serviceusage, cloudresourcemanager and iam must be on before anything can be enabled: docs/first-deployment.md.
SERVICES: Final = (
    "billingbudgets.googleapis.com",
    "cloudkms.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "cloudscheduler.googleapis.com",
    "compute.googleapis.com",
    "firestore.googleapis.com",
    "iam.googleapis.com",
    "iamcredentials.googleapis.com",
    "logging.googleapis.com",
    "monitoring.googleapis.com",
    "pubsub.googleapis.com",
    "run.googleapis.com",
    "secretmanager.googleapis.com",
    "servicenetworking.googleapis.com",
    "sqladmin.googleapis.com",
    "storage.googleapis.com",
    "sts.googleapis.com",
    "workflowexecutions.googleapis.com",
    "workflows.googleapis.com",
)


def enable_apis(project: str, parent: pulumi.Resource) -> dict[str, gcp.projects.Service]:
    """Enable every API that the environment uses, and leave it on when the stack goes.

    `disable_on_destroy=False`: turning an API off takes away what else in the project calls it.
    """
    return {
        service: gcp.projects.Service(
            f"api-{service.removesuffix('.googleapis.com')}",
            project=project,
            service=service,
            disable_on_destroy=False,
            opts=pulumi.ResourceOptions(parent=parent),
        )
        for service in SERVICES
    }


def service_agents(
    project: str,
    apis: dict[str, gcp.projects.Service],
    parent: pulumi.Resource,
    *,
    firestore: bool,
    queues: bool,
) -> dict[str, pulumi.Output[str]]:
    """The members that encrypt on behalf of a service, by key use; `firestore` and `queues` only if wanted.

    Each way of asking for an agent also creates it. The two look-ups depend on their API, so that in an empty project
    they wait for it and are unknown in the first preview.
    """

    def identity(name: str, service: str) -> pulumi.Output[str]:
        return gcp.projects.ServiceIdentity(
            f"agent-{name}",
            project=project,
            service=service,
            opts=pulumi.ResourceOptions(parent=parent, depends_on=[apis[service]]),
        ).member

    def looked_up(service: str, member: pulumi.Output[str]) -> pulumi.Output[str]:
        # an answer that is not known yet has no origin; this gives it one that a policy can judge in a preview
        return pulumi.Output.all(apis[service].id, member).apply(lambda pair: str(pair[1]))

    storage = gcp.storage.get_project_service_account_output(
        project=project, opts=pulumi.InvokeOutputOptions(parent=parent, depends_on=[apis["storage.googleapis.com"]])
    )
    logs = gcp.logging.get_project_cmek_settings_output(
        project=project, opts=pulumi.InvokeOutputOptions(parent=parent, depends_on=[apis["logging.googleapis.com"]])
    )
    agents = {} if not firestore else {"firestore": identity("firestore", "firestore.googleapis.com")}
    if queues:
        agents["queues"] = identity("queues", "pubsub.googleapis.com")
    return agents | {
        "sql": identity("sql", "sqladmin.googleapis.com"),
        "secrets": identity("secrets", "secretmanager.googleapis.com"),
        "storage": looked_up("storage.googleapis.com", storage.member),
        "logs": looked_up(
            "logging.googleapis.com", logs.service_account_id.apply(lambda account: f"serviceAccount:{account}")
        ),
    }
