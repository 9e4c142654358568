"""Names of the application's queues, so that alarms and queues agree on them without depending on each other."""

from __future__ import annotations

from components.aws.naming import prefix
from settings.plan import EnvironmentPlan


def queue_name(environment: EnvironmentPlan, queue: str) -> str:
    return f"{prefix(environment)}-{queue}"


def dead_letter_queue_name(environment: EnvironmentPlan, queue: str) -> str:
    """Where a message goes that was delivered too often."""
    return f"{queue_name(environment, queue)}-dead-letters"
