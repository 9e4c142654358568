"""The environment's monthly budget (R6.5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pulumi
import pulumi_gcp as gcp

from components.gcp.channels import Channels
from settings.plan import EnvironmentPlan

SHARES: Final = (0.5, 0.75, 0.8, 0.9, 1.0)  # of the amount, spent (R6.5)
MAX_CHANNELS: Final = 5  # of a budget, e-mail only (Budget API, NotificationsRule)


def create_budget(
    name: str,
    environment: EnvironmentPlan,
    channels: Channels,
    *,
    depends_on: Sequence[pulumi.Resource],
    parent: pulumi.Resource,
) -> gcp.billing.Budget | None:
    """Create the budget if one is configured; None otherwise.

    It belongs to the billing account: whoever deploys needs `roles/billing.costsManager` there, and the provider needs
    `user_project_override` with a `billing_project`, because the API charges its quota to a project. The first five
    e-mail channels are told, and the billing account's administrators in any case.
    """
    settings, account = environment.monitoring.budget, environment.gcp.billing_account
    if settings is None or account is None:
        return None
    return gcp.billing.Budget(
        f"{name}-budget",
        billing_account=account,
        display_name=f"tenantry-{environment.organization}-{environment.name}",
        budget_filter={
            "projects": [f"projects/{environment.gcp.project_number}"],
            "calendar_period": "MONTH",
            "credit_types_treatment": "INCLUDE_ALL_CREDITS",
        },
        amount={"specified_amount": {"currency_code": settings.currency, "units": str(settings.amount)}},
        threshold_rules=[
            *(
                gcp.billing.BudgetThresholdRuleArgs(threshold_percent=share, spend_basis="CURRENT_SPEND")
                for share in SHARES
            ),
            gcp.billing.BudgetThresholdRuleArgs(threshold_percent=1.0, spend_basis="FORECASTED_SPEND"),
        ],
        all_updates_rule=gcp.billing.BudgetAllUpdatesRuleArgs(
            monitoring_notification_channels=[channel.name for channel in channels.email[:MAX_CHANNELS]],
            disable_default_iam_recipients=False,
        )
        if channels.email
        else None,
        opts=pulumi.ResourceOptions(parent=parent, depends_on=list(depends_on)),
    )
