"""Names of the application's queues, as literals."""

from __future__ import annotations

from components.aws.naming import prefix
from settings.plan import EnvironmentPlan


def queue_name(environment: EnvironmentPlan, queue: str) -> str:
    """At most 12 + 7 + 24 + 5 characters of the 80 that SQS takes."""
    return f"{prefix(environment)}-{queue}"


def dead_letter_queue_name(environment: EnvironmentPlan, queue: str) -> str:
    """Where a message goes that was delivered too often."""
    return f"{queue_name(environment, queue)}-dead"


def queue_arn(environment: EnvironmentPlan, queue: str) -> str:
    return f"arn:aws:sqs:{environment.aws.region}:{environment.aws.account_id}:{queue_name(environment, queue)}"


def queue_url(environment: EnvironmentPlan, queue: str) -> str:
    host = f"sqs.{environment.aws.region}.amazonaws.com"
    return f"https://{host}/{environment.aws.account_id}/{queue_name(environment, queue)}"
