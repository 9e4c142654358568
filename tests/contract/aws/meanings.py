"""Judge text whose meaning lies outside its own schema: ARNs, policies, JSON, names of what AWS offers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.contract.aws.models import regions
from tests.contract.aws.offers import managed_policies
from tests.contract.aws.policies import Kind, check_policy
from tests.contract.report import Problem, Report, Unchecked
from tests.contract.walk import Place

Judge = Callable[[Report, Place, Any], None]

_ARN_PARTS = 6
_ACCOUNT = re.compile(r"\d{12}|aws|cloudfront|\*|")
_MANAGED = "arn:aws:iam::aws:policy/"


def judge(report: Report, token: str, place: Place, value: object) -> None:
    """Judge one value by what its place means, beyond its schema."""
    if isinstance(value, str) and value.startswith("arn:"):
        _arn(report, place, value)
    known = _TYPED.get((token, place.pattern))
    if known is not None:
        known(report, place, value)


def _arn(report: Report, place: Place, value: str) -> None:
    parts = value.split(":", _ARN_PARTS - 1)
    if len(parts) != _ARN_PARTS or parts[1] != "aws" or not parts[2] or not parts[5]:
        report.problems.append(Problem(place.exact, value, "not an ARN"))
    elif parts[3] not in {"", "*", *regions("ec2")}:
        report.problems.append(Problem(place.exact, value, f"no region {parts[3]}"))
    elif not _ACCOUNT.fullmatch(parts[4]):
        report.problems.append(Problem(place.exact, value, f"no account {parts[4]}"))


def _managed(report: Report, place: Place, value: str) -> None:
    if value.startswith(_MANAGED) and value.rpartition("/")[2] not in managed_policies():
        report.problems.append(Problem(place.exact, value, "AWS has no such policy of its own"))


def _policy(kind: Kind) -> Judge:
    def check(report: Report, place: Place, value: object) -> None:
        check_policy(report, place, value, kind)

    return check


def _json(reason: str) -> Judge:
    """A judge of JSON without a schema: that it is JSON is all that can be said."""

    def check(report: Report, place: Place, value: object) -> None:
        try:
            json.loads(str(value))
        except ValueError as error:
            report.problems.append(Problem(place.exact, value, f"not JSON: {error}"))
        report.unchecked.append(Unchecked(place.pattern, reason))

    return check


def listed(reason: str) -> Judge:
    """A judge that only says why the value cannot be judged."""

    def check(report: Report, place: Place, _value: object) -> None:
        report.unchecked.append(Unchecked(place.pattern, reason))

    return check


_EXPRESSION = listed("an expression of a language of its own: the model takes any text")
_NO_LIST = listed("the model takes any text here, and has no list of what exists")

_PLACES: Mapping[Judge, tuple[tuple[str, str], ...]] = {
    _policy("identity"): (("aws:iam/rolePolicy:RolePolicy", "policy"),),
    _policy("trust"): (("aws:iam/role:Role", "assumeRolePolicy"),),
    _policy("resource"): (
        ("aws:backup/vaultPolicy:VaultPolicy", "policy"),
        ("aws:cloudwatch/logResourcePolicy:LogResourcePolicy", "policyDocument"),
        ("aws:ec2/vpcEndpoint:VpcEndpoint", "policy"),
        ("aws:kms/key:Key", "policy"),
        ("aws:s3/bucketPolicy:BucketPolicy", "policy"),
        ("aws:secretsmanager/secretPolicy:SecretPolicy", "policy"),
        ("aws:sns/topicPolicy:TopicPolicy", "policy"),
        ("aws:sqs/queue:Queue", "policy"),
    ),
    _managed: (
        ("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "policyArn"),
        ("aws:chatbot/slackChannelConfiguration:SlackChannelConfiguration", "guardrailPolicyArns[]"),
    ),
    _json("the dashboard's body has no schema in the model"): (
        ("aws:cloudwatch/dashboard:Dashboard", "dashboardBody"),
    ),
    _json("a pattern of events: the events of other services have no schema in the model"): (
        ("aws:cloudwatch/eventRule:EventRule", "eventPattern"),
    ),
    _EXPRESSION: (
        ("aws:backup/plan:Plan", "rules[].schedule"),
        ("aws:backup/restoreTestingPlan:RestoreTestingPlan", "scheduleExpression"),
        ("aws:cloudwatch/compositeAlarm:CompositeAlarm", "alarmRule"),
        ("aws:cloudwatch/logMetricFilter:LogMetricFilter", "pattern"),
        ("aws:cloudwatch/logMetricFilter:LogMetricFilter", "metricTransformation.value"),
        ("aws:cloudwatch/metricAlarm:MetricAlarm", "metricQueries[].expression"),
        ("aws:scheduler/schedule:Schedule", "scheduleExpression"),
    ),
    _NO_LIST: (
        ("aws:cloudfront/distribution:Distribution", "defaultCacheBehavior.cachePolicyId"),
        ("aws:cloudtrail/trail:Trail", "advancedEventSelectors[].fieldSelectors[].equals[]"),
        ("aws:cloudwatch/metricAlarm:MetricAlarm", "metricName"),
        ("aws:cloudwatch/metricAlarm:MetricAlarm", "dimensions[].name"),
        ("aws:cloudwatch/metricAlarm:MetricAlarm", "metricQueries[].metric.metricName"),
        ("aws:ec2/vpcEndpoint:VpcEndpoint", "serviceName"),
        ("aws:lb/listener:Listener", "sslPolicy"),
        ("aws:rds/eventSubscription:EventSubscription", "eventCategories[]"),
        ("aws:rds/instance:Instance", "caCertIdentifier"),
        ("aws:rds/parameterGroup:ParameterGroup", "family"),
        ("aws:rds/parameterGroup:ParameterGroup", "parameters[].name"),
        ("aws:wafv2/webAcl:WebAcl", "rules[].statement.managedRuleGroupStatement.name"),
    ),
}
_TYPED: Mapping[tuple[str, str], Judge] = {place: found for found, places in _PLACES.items() for place in places}
