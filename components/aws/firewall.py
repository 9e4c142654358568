"""Web application firewalls: what AWS knows to be bad, and a limit on requests by client address."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import pulumi
import pulumi_aws as aws

from components.aws.naming import prefix
from components.aws.platform import AwsPlatform
from components.guard import Guard
from settings.plan import EnvironmentPlan

LOG_DAYS: Final = 90
# Rule sets without a size limit on bodies: the application takes uploads (AWS WAF, managed rule groups).
_MANAGED: Final = ("AWSManagedRulesAmazonIpReputationList", "AWSManagedRulesKnownBadInputsRuleSet")
_WINDOW_SECONDS: Final = 60


def rate_rule(key: str, limit: int, *, priority: int, host: str | None = None) -> aws.wafv2.WebAclRuleArgsDict:
    """Turn an address away that makes more than `limit` requests a minute, of one host or of all."""
    counted: aws.wafv2.WebAclRuleStatementRateBasedStatementArgsDict = {
        "aggregate_key_type": "IP",
        "evaluation_window_sec": _WINDOW_SECONDS,
        "limit": limit,
    }
    if host is not None:
        counted["scope_down_statement"] = {
            "byte_match_statement": {
                "field_to_match": {"single_header": {"name": "host"}},
                "positional_constraint": "EXACTLY",
                "search_string": host,
                "text_transformations": [{"priority": 0, "type": "LOWERCASE"}],
            }
        }
    return {
        "name": f"rate-{key}",
        "priority": priority,
        "action": {"block": {"custom_response": {"response_code": 429}}},
        "statement": {"rate_based_statement": counted},
        "visibility_config": _visible(f"rate-{key}"),
    }


def create_firewall(
    name: str,
    *,
    scope: Literal["REGIONAL", "CLOUDFRONT"],
    region: str,
    rules: Sequence[aws.wafv2.WebAclRuleArgsDict],
    environment: EnvironmentPlan,
    platform: AwsPlatform,
    guard: Guard,
    parent: pulumi.Resource,
) -> aws.wafv2.WebAcl:
    """Create a firewall with these rules after AWS's own, and its log, in which credentials are not kept."""
    managed: list[aws.wafv2.WebAclRuleArgsDict] = [
        {
            "name": group,
            "priority": priority,
            "override_action": {"none": {}},
            "statement": {"managed_rule_group_statement": {"name": group, "vendor_name": "AWS"}},
            "visibility_config": _visible(group),
        }
        for priority, group in enumerate(_MANAGED)
    ]
    full_name = f"{prefix(environment)}-{name}"
    firewall = aws.wafv2.WebAcl(
        f"{name}-firewall",
        region=region,
        name=full_name,
        description=f"Requests of {environment.name} to {name}",
        scope=scope,
        default_action={"allow": {}},
        rules=[*managed, *rules],
        visibility_config=_visible(full_name),
        opts=guard.retrying(parent),
    )
    logs = aws.cloudwatch.LogGroup(
        f"{name}-firewall-logs",
        region=region,
        # WAF writes to groups of this prefix only
        name=f"aws-waf-logs-{full_name}",
        retention_in_days=LOG_DAYS,
        kms_key_id=platform.keys["logs", region].arn,
        opts=guard.retrying(parent),
    )
    aws.wafv2.WebAclLoggingConfiguration(
        f"{name}-firewall-logging",
        region=region,
        resource_arn=firewall.arn,
        log_destination_configs=[logs.arn],
        redacted_fields=[{"single_header": {"name": header}} for header in ("authorization", "cookie")],
        opts=guard.retrying(parent),
    )
    return firewall


def _visible(metric: str) -> aws.wafv2.WebAclRuleVisibilityConfigArgsDict:
    return {"cloudwatch_metrics_enabled": True, "metric_name": metric, "sampled_requests_enabled": True}
