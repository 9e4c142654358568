"""The checker of AWS's inputs: what it lets pass, what it finds, and what its tables may say."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from pulumi.runtime import rpc

from tests.contract.aws import LIST
from tests.contract.aws.checker import CALLS, check, check_all, request_of
from tests.contract.aws.models import in_python, model, regions
from tests.contract.aws.offers import managed_policies
from tests.contract.aws.policies import matching
from tests.contract.aws.samples import ACCOUNT, REGION, ROLE, SAMPLES, policy
from tests.contract.aws.shipped import shipped
from tests.contract.report import Unchecked

PLAN = "aws:backup/plan:Plan"
BUDGET = "aws:budgets/budget:Budget"
SITE = "aws:cloudfront/distribution:Distribution"
LOGS = "aws:cloudwatch/logGroup:LogGroup"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
TASK = "aws:ecs/taskDefinition:TaskDefinition"
ACCOUNT_ROLE = "aws:iam/role:Role"
GRANT = "aws:iam/rolePolicy:RolePolicy"
ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
BALANCER = "aws:lb/loadBalancer:LoadBalancer"
DATABASE = "aws:rds/instance:Instance"
RECORD = "aws:route53/record:Record"
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
OWNERSHIP = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
BUCKET_POLICY = "aws:s3/bucketPolicy:BucketPolicy"
CLOCK = "aws:scheduler/schedule:Schedule"
SECRET = "aws:secretsmanager/secret:Secret"
QUEUE = "aws:sqs/queue:Queue"
FIREWALL = "aws:wafv2/webAcl:WebAcl"


def changed(token: str, path: str, value: object) -> dict[str, Any]:
    """A sample with one value set; a path part in digits is a list position."""
    inputs = copy.deepcopy(SAMPLES[token])
    target: Any = inputs
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in parents:
        target = target[part]
    target[last] = value
    return inputs


@pytest.mark.parametrize("token", SAMPLES)
def test_right_inputs_pass(token: str) -> None:
    report = check(token, SAMPLES[token])
    assert report.problems == []
    assert report.checked > 0


MISTAKES = [
    (PLAN, "rules.0.startWindow", "60", "rules[0].startWindow", "not an integer"),
    (PLAN, "rules.0.startWindowMinute", 60, "rules[0].startWindowMinute", "no such property"),
    (PLAN, "rules.0.targetVaultName", "acme prod", "rules[0].targetVaultName", "does not match"),
    (PLAN, "rules.0.ruleName", "every day", "rules[0].ruleName", "does not match"),
    (BUDGET, "timeUnit", "FORTNIGHTLY", "timeUnit", "not one of"),
    (BUDGET, "limitAmount", "300 USD", "limitAmount", "does not match"),
    (BUDGET, "limitAmount", 300, "limitAmount", "not a string"),
    (BUDGET, "timePeriodEnd", "next year", "timePeriodEnd", "not an RFC 3339 instant"),
    (BUDGET, "notifications.0.notificationType", "REAL", "notifications[0].notificationType", "not one of"),
    (BUDGET, "notifications.0.subscriberSnsTopicArns.0", "arn:aws:sns", "notifications[0].subscriberSnsTopicArns[0]",
     "not an ARN"),
    (SITE, "httpVersion", "http4", "httpVersion", "not one of"),
    (SITE, "origins.0.domain", "x", "origins[0].domain", "no such property"),
    (SITE, "defaultCacheBehavior.cachedMethods.0", "get", "defaultCacheBehavior.cachedMethods[0]", "not one of"),
    (SITE, "viewerCertificate.minimumProtocolVersion", "TLSv1.2", "viewerCertificate.minimumProtocolVersion",
     "not one of"),
    (SITE, "restrictions.geoRestriction.locations", "DE", "restrictions.geoRestriction.locations", "not a list"),
    (LOGS, "retentionInDays", 100, "retentionInDays", "description names"),
    (LOGS, "name", "jobs of prod", "name", "does not match"),
    (LOGS, "region", "eu-central-9", "region", "no endpoint there"),
    (LOGS, "tagsAll.environment", "a;b", "tagsAll.environment", "does not match"),
    (LOGS, "tags.service", "other", "tagsAll", "not a map that has"),
    (ALARM, "statistic", "Median", "statistic", "not one of"),
    (ALARM, "period", 0, "period", "outside 1.."),
    (ALARM, "treatMissingData", "bad", "treatMissingData", "description names"),
    (ALARM, "dimensions", {"DBInstanceIdentifier": 1}, "dimensions[0].value", "not a string"),
    (TASK, "containerDefinitions", "{", "containerDefinitions", "cannot be put in the API's form"),
    (TASK, "containerDefinitions", '[{"imagen": "x"}]', "containerDefinitions[0].imagen", "no such property"),
    (TASK, "memory", "512", "memory", "Fargate has no task of 512 units and 512 MiB"),
    (TASK, "networkMode", "vpc", "networkMode", "not one of"),
    (TASK, "requiresCompatibilities", ["FARGATE", "MOON"], "requiresCompatibilities[1]", "not one of"),
    (ACCOUNT_ROLE, "maxSessionDuration", 60, "maxSessionDuration", "outside 3600..43200"),
    (ACCOUNT_ROLE, "name", "acme prod", "name", "does not match"),
    (ATTACHMENT, "policyArn", "arn:aws:iam::aws:policy/NoSuchPolicy", "policyArn", "no such policy of its own"),
    (BALANCER, "internal", "yes", "internal", "cannot be put in the API's form"),
    (BALANCER, "loadBalancerType", "classic", "loadBalancerType", "not one of"),
    (BALANCER, "idleTimeout", [60], "idleTimeout", "a list where the API has text"),
    (DATABASE, "instanceClass", "db.m7.large", "instanceClass", "RDS has no db.m7.large"),
    (DATABASE, "engineVersion", "17.999", "engineVersion", "RDS has no 17.999"),
    (DATABASE, "engine", "postgresql", "engine", "RDS has no postgresql"),
    (DATABASE, "backupRetentionPeriod", 36, "backupRetentionPeriod", "RDS has no 36"),
    (DATABASE, "storageType", "ssd", "storageType", "description names"),
    (DATABASE, "backupRetention", 30, "backupRetention", "no such property"),
    (DATABASE, "allocatedStorage", True, "allocatedStorage", "not an integer"),
    (DATABASE, "kmsKeyId", "arn:aws:kms:eu-moon-1:123456789012:key/1", "kmsKeyId", "no region eu-moon-1"),
    (DATABASE, "kmsKeyId", f"arn:aws:kms:{REGION}:1234:key/1", "kmsKeyId", "no account 1234"),
    (RECORD, "type", "ANAME", "type", "not one of"),
    (RECORD, "aliases.0.zone", "Z1", "aliases[0].zone", "no such property"),
    (LIFECYCLE, "rules.0.transitions.0.storageClass", "COLD", "rules[0].transitions[0].storageClass", "not one of"),
    (LIFECYCLE, "rules.0.status", "enabled", "rules[0].status", "not one of"),
    (OWNERSHIP, "rule.objectOwnership", "Me", "rule.objectOwnership", "not one of"),
    (CLOCK, "target.ecsParameters.networkConfiguration.assignPublicIp", "DISABLED",
     "target.ecsParameters.networkConfiguration.assignPublicIp", "cannot be put in the API's form"),
    (CLOCK, "target.retryPolicy.maximumEventAgeInSeconds", 59, "target.retryPolicy.maximumEventAgeInSeconds",
     "outside 60..86400"),
    (CLOCK, "target.roleArn", "arn:aws:iam::12:role/x", "target.roleArn", "does not match"),
    (CLOCK, "target.ecsParameters.networkConfiguration.subnets", [],
     "target.ecsParameters.networkConfiguration.subnets", "0 items outside 1..16"),
    (SECRET, "recoveryWindowInDays", "30", "recoveryWindowInDays", "not an integer"),
    (SECRET, "name", "", "name", "0 characters outside 1.."),
    (QUEUE, "messageRetentionSeconds", 59, "messageRetentionSeconds", "outside 60..1209600"),
    (BALANCER, "idleTimeout", 4001, "idleTimeout", "outside 1..4000"),
    (QUEUE, "messageRetention", 1, "messageRetention", "no such property"),
    (FIREWALL, "rules.0.statement.rateBasedStatement.limit", 5, "rules[0].statement.rateBasedStatement.limit",
     "outside 10.."),
    (FIREWALL, "scope", "GLOBAL", "scope", "not one of"),
]  # fmt: skip


@pytest.mark.parametrize(("token", "path", "value", "where", "why"), MISTAKES)
def test_one_wrong_input_is_found(token: str, path: str, value: object, where: str, why: str) -> None:
    problems = check(token, changed(token, path, value)).problems
    assert [problem.path for problem in problems] == [where]
    assert why in problems[0].why


WRONG_POLICIES = [
    ({"Action": "s3:GetObjekt"}, "s3:GetObjekt", "no such action"),
    ({"Action": "s3:Fetch*", "Resource": "*"}, "s3:Fetch*", "no such action"),
    ({"Action": "s4:GetObject", "Resource": "*"}, "s4:GetObject", "no such action"),
    ({"Resource": "arn:aws:sqs:*:*:queue"}, "arn:aws:sqs:*:*:queue", "none of what the actions apply to"),
    ({"Action": ["s3:GetObject", "sqs:SendMessage"]}, "sqs:SendMessage", "granted on nothing"),
    ({"Condition": {"StringEquals": {"awz:ResourceAccount": ACCOUNT}}}, "awz:ResourceAccount", "condition keys"),
    ({"Condition": {"StringIs": {"aws:ResourceAccount": ACCOUNT}}}, None, "StringIs"),
    ({"Effect": "allow"}, "allow", "is not one of"),
    ({"Sid": "Read registry"}, "Read registry", "does not match"),
    ({"Action": None}, None, "has none of Action, NotAction"),
    ({"NotAction": "s3:GetObject"}, None, "has Action and NotAction"),
    ({"Principal": "*"}, None, "'Principal' was unexpected"),
    ({"Resource": "acme-prod-registry"}, "acme-prod-registry", "does not match"),
]


@pytest.mark.parametrize(("change", "value", "why"), WRONG_POLICIES)
def test_a_wrong_policy_is_found(change: dict[str, object], value: object, why: str) -> None:
    problems = check(GRANT, changed(GRANT, "policy", policy(**change))).problems
    assert any(why in problem.why and value in {None, problem.value if isinstance(problem.value, str) else None}
               for problem in problems), problems  # fmt: skip


def test_a_policy_that_is_no_json_is_found() -> None:
    (problem,) = check(GRANT, changed(GRANT, "policy", "{")).problems
    assert problem.why.startswith("not JSON")


def test_two_statements_of_one_name_are_found() -> None:
    text = policy()
    statement = text[text.index("[{") + 1 : text.rindex("]")]
    twice = text.replace(statement, f"{statement}, {statement}")
    (problem,) = check(GRANT, changed(GRANT, "policy", twice)).problems
    assert problem.why == "two statements have the same Sid: ['ReadRegistry', 'ReadRegistry']"


def test_a_policy_on_a_resource_names_who_and_one_on_a_role_does_not() -> None:
    without = check(BUCKET_POLICY, changed(BUCKET_POLICY, "policy", policy()))
    assert "has none of Principal, NotPrincipal" in {problem.why for problem in without.problems}


def test_a_denial_need_not_name_a_resource_of_each_action() -> None:
    text = policy(Effect="Deny", Action=["s3:GetObject", "sqs:SendMessage"])
    assert check(GRANT, changed(GRANT, "policy", text)).problems == []


def test_actions_are_matched_as_aws_does() -> None:
    assert matching("S3:getobject") == [("s3", "getobject")]
    assert ("s3", "getobject") in matching("s3:Get*")
    assert matching("s3:get") == []
    assert len(matching("*")) > 10_000


def test_unknown_values_are_counted_and_not_judged() -> None:
    inputs = changed(DATABASE, "kmsKeyId", rpc.UNKNOWN)
    report = check(DATABASE, inputs)
    assert report.problems == []
    assert report.unknown == 1


def test_unset_is_not_wrong_but_zero_and_false_are_judged() -> None:
    whole = check(DATABASE, SAMPLES[DATABASE]).checked
    assert check(DATABASE, changed(DATABASE, "skipFinalSnapshot", None)).checked == whole - 1
    assert check(DATABASE, changed(DATABASE, "backupRetentionPeriod", 0)).checked == whole
    assert check(DATABASE, changed(DATABASE, "backupRetentionPeriod", False)).problems != []


def test_a_type_without_a_row_is_a_problem() -> None:
    (problem,) = check("aws:redshift/cluster:Cluster", {"nodeType": "ra3"}).problems
    assert problem.why == "no row for this type in the tables"


def test_problems_are_placed_by_resource_and_other_clouds_left_alone() -> None:
    report = check_all([(LOGS, "jobs", changed(LOGS, "retentionInDays", 2)), ("gcp:kms/keyRing:KeyRing", "x", {})])
    assert [problem.path for problem in report.problems] == [f"{LOGS} jobs: retentionInDays"]


def test_what_nothing_can_judge_is_listed() -> None:
    report = check(LOGS, {"name": "jobs", "skipDestroy": False})
    assert report.unchecked == [Unchecked("skipDestroy", "steers the provider on delete; the API never sees it")]


def test_the_list_of_gaps_is_about_types_that_are_checked() -> None:
    lines = [line for line in LIST.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert lines == sorted(set(lines))
    assert {line.split()[0] for line in lines} <= CALLS.keys()


@pytest.mark.parametrize("token", CALLS)
def test_the_table_names_operations_and_roots_that_exist(token: str) -> None:
    call = CALLS[token]
    assert request_of(call).at(call.root).schema["properties"]


def test_patterns_are_read_as_java_does() -> None:
    assert in_python(r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)") == r"([\w\s\d_.:/=+\-@]*)"


def test_models_and_lists_are_there() -> None:
    with pytest.raises(LookupError, match="rds has no operation MakeDatabase"):
        model("rds").request("MakeDatabase")
    with pytest.raises(LookupError, match="cfnlint ships no nothing"):
        shipped("cfnlint", "nothing")
    assert {"eu-central-1", "us-east-1", "ap-south-1"} <= regions("rds")
    assert "CloudWatchReadOnlyAccess" in managed_policies()
    assert ROLE.startswith("arn:aws:iam::")
