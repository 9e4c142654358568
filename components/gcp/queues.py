"""The application's queues: Pub/Sub pushes messages to a service, and keeps what it cannot digest (R7.2)."""

from __future__ import annotations

from typing import Final

import pulumi
import pulumi_gcp as gcp

from components.gcp.containers import app_name
from components.gcp.platform import Platform
from components.gcp.services import RunService, grant_invoker, service_url
from components.guard import Guard
from settings.models import QueueSettings
from settings.plan import EnvironmentPlan

DEAD_LETTER_RETENTION: Final = f"{14 * 86400}s"
"""Two weeks to look at a message that nobody could digest."""
_RETENTION: Final = f"{7 * 86400}s"
_NEVER: Final = ""


def dead_letters_name(queue: str) -> str:
    """Name of the topic and the subscription that keep what the queue's service could not digest."""
    return f"{app_name(queue)}-dead"


def create_queue(
    name: str,
    settings: QueueSettings,
    invoker: gcp.cloudrunv2.ServiceIamMember,
    *,
    environment: EnvironmentPlan,
    platform: Platform,
    guard: Guard,
    parent: pulumi.Resource,
) -> gcp.pubsub.Topic:
    """Create topic, subscription and dead letters, and who may publish: whatever works for the application.

    `invoker` is what `grant_push` made for the queue's service.
    """
    plan, scheduler = environment.gcp, platform.accounts["scheduler"]
    agent = f"serviceAccount:service-{plan.project_number}@gcp-sa-pubsub.iam.gserviceaccount.com"
    topic = _topic(f"queue-{name}", app_name(name), environment, platform, guard=guard, parent=parent)
    dead = _topic(f"queue-{name}-dead", dead_letters_name(name), environment, platform, guard=guard, parent=parent)
    for account in platform.application:
        gcp.pubsub.TopicIAMMember(
            f"queue-{name}-publisher-{account.email.partition('@')[0].removeprefix('tenantry-')}",
            project=plan.project,
            topic=topic.name,
            role="roles/pubsub.publisher",
            member=account.member,
            opts=pulumi.ResourceOptions(parent=parent, depends_on=[account.resource]),
        )
    bury = gcp.pubsub.TopicIAMMember(
        f"queue-{name}-bury",
        project=plan.project,
        topic=dead.name,
        role="roles/pubsub.publisher",
        member=agent,
        opts=guard.retrying(parent),
    )
    url = service_url(settings.service, environment)
    subscription = gcp.pubsub.Subscription(
        f"queue-{name}-push",
        name=app_name(name),
        project=plan.project,
        topic=topic.id,
        ack_deadline_seconds=settings.ack_seconds,
        message_retention_duration=_RETENTION,
        expiration_policy={"ttl": _NEVER},
        push_config={
            "push_endpoint": f"{url}{settings.path}",
            "oidc_token": {"service_account_email": scheduler.email, "audience": url},
        },
        retry_policy={"minimum_backoff": "10s", "maximum_backoff": "600s"},
        dead_letter_policy={"dead_letter_topic": dead.id, "max_delivery_attempts": settings.max_attempts},
        opts=guard.retrying(parent, depends_on=[invoker, bury]),
    )
    gcp.pubsub.SubscriptionIAMMember(
        f"queue-{name}-forward",
        project=plan.project,
        subscription=subscription.name,
        role="roles/pubsub.subscriber",
        member=agent,
        opts=guard.retrying(parent),
    )
    gcp.pubsub.Subscription(
        f"queue-{name}-dead-letters",
        name=dead_letters_name(name),
        project=plan.project,
        topic=dead.id,
        ack_deadline_seconds=600,
        message_retention_duration=DEAD_LETTER_RETENTION,
        expiration_policy={"ttl": _NEVER},
        opts=guard.retrying(parent),
    )
    return topic


def grant_push(
    service: str, created: RunService, environment: EnvironmentPlan, platform: Platform, *, parent: pulumi.Resource
) -> gcp.cloudrunv2.ServiceIamMember:
    """Let Pub/Sub call a service: one grant for all of its queues, or removing one queue would take it from the others.

    Pub/Sub calls with a token of the scheduler's account: it is from this project, so the service's ingress lets it in,
    and nobody without that token gets further. A service with a host lets everybody in, so there the load balancer
    refuses the path, and the service has to verify the token as well.
    """
    scheduler = platform.accounts["scheduler"]
    return grant_invoker(
        f"service-{service}-pushed",
        created.resource,
        scheduler.member,
        environment,
        depends_on=[scheduler.resource],
        parent=parent,
    )


def allow_push(
    name: str, environment: EnvironmentPlan, platform: Platform, *, guard: Guard, parent: pulumi.Resource
) -> gcp.serviceaccount.IAMMember:
    """Let Pub/Sub make the tokens with which it calls services."""
    plan, scheduler = environment.gcp, platform.accounts["scheduler"]
    return gcp.serviceaccount.IAMMember(
        name,
        service_account_id=f"projects/{plan.project}/serviceAccounts/{scheduler.email}",
        role="roles/iam.serviceAccountOpenIdTokenCreator",
        member=f"serviceAccount:service-{plan.project_number}@gcp-sa-pubsub.iam.gserviceaccount.com",
        opts=guard.retrying(parent, depends_on=[scheduler.resource, platform.key_grants["queues", plan.region]]),
    )


def _topic(
    name: str,
    topic: str,
    environment: EnvironmentPlan,
    platform: Platform,
    *,
    guard: Guard,
    parent: pulumi.Resource,
) -> gcp.pubsub.Topic:
    """A topic that keeps its messages in the home region, under the key of that region."""
    region = environment.gcp.region
    return gcp.pubsub.Topic(
        name,
        name=topic,
        project=environment.gcp.project,
        kms_key_name=platform.keys["queues", region].id,
        message_storage_policy={"allowed_persistence_regions": [region]},
        opts=guard.retrying(
            parent, depends_on=[*platform.ready("pubsub.googleapis.com"), platform.key_grants["queues", region]]
        ),
    )
