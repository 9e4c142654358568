"""The account's monthly budget (R6.5)."""

from __future__ import annotations

from typing import Final, Literal

import pulumi
import pulumi_aws as aws

from components.aws.channels import Channels, Severity
from components.aws.naming import prefix
from settings.plan import EnvironmentPlan

SHARES: Final = (50, 75, 80, 90, 100)  # percent of the amount, spent (R6.5)


def create_budget(
    name: str, environment: EnvironmentPlan, channels: Channels, *, parent: pulumi.Resource
) -> aws.budgets.Budget | None:
    """Create the budget if one is configured; None otherwise.

    An environment has an account to itself, so nothing is filtered. AWS counts in US dollars. Six notifications, of the
    ten that a budget takes; each goes to a topic, so that e-mail and Slack are told as of everything else.
    """
    settings = environment.monitoring.budget
    if settings is None:
        return None

    def told(
        share: int, kind: Literal["ACTUAL", "FORECASTED"], severity: Severity
    ) -> aws.budgets.BudgetNotificationArgs:
        return aws.budgets.BudgetNotificationArgs(
            comparison_operator="GREATER_THAN",
            notification_type=kind,
            threshold=float(share),
            threshold_type="PERCENTAGE",
            subscriber_sns_topic_arns=channels.told(severity, environment.aws.region),
        )

    return aws.budgets.Budget(
        f"{name}-budget",
        name=prefix(environment),
        account_id=environment.aws.account_id,
        budget_type="COST",
        # as the API writes it back
        limit_amount=f"{settings.amount}.0",
        limit_unit="USD",
        time_unit="MONTHLY",
        notifications=[*(told(share, "ACTUAL", "warning") for share in SHARES), told(100, "FORECASTED", "warning")],
        opts=pulumi.ResourceOptions(parent=parent, depends_on=list(channels.ready)),
    )
