"""Where the application's queues are, for whatever publishes to them."""

from __future__ import annotations

from components.application import queue_variable
from components.aws.queue_names import queue_url
from components.gcp.containers import topic_path
from settings.plan import EnvironmentPlan


def queue_addresses(environment: EnvironmentPlan) -> dict[str, str]:
    """Variable → topic of Pub/Sub or URL of SQS, on the home cloud."""
    address = topic_path if environment.home == "gcp" else queue_url
    return {queue_variable(queue): address(environment, queue) for queue in environment.queues}
