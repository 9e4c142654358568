import pytest

from policies.aws.documents import Statement, statements
from policies.aws.tokens import (
    DEFAULT_SECURITY_GROUP,
    DISTRIBUTION,
    ECS_SERVICE,
    INGRESS_RULE,
    KMS_KEY,
    RDS_CLUSTER_INSTANCE,
    RDS_INSTANCE,
    RDS_SNAPSHOT,
    RDS_SNAPSHOT_COPY,
    S3_ACLS,
    S3_BUCKETS,
    S3_POLICIES,
    SCHEDULE,
    SECRET_POLICY,
    SECURITY_GROUP,
    SECURITY_GROUP_RULE,
    SUBNET,
    TASK_DEFINITION,
    TOPIC_POLICY,
)
from policies.frame.values import ABSENT, UNKNOWN
from tests.policies.aws.fixtures import ACCOUNT, COMPLIANT, allow, document
from tests.policies.support import (
    UNKNOWN_ARRAY_VALUE,
    UNKNOWN_BOOLEAN_VALUE,
    UNKNOWN_STRING_VALUE,
    UNSET,
    Case,
    case_id,
    changed,
    judge,
)

_UNKNOWN = "is not known during preview"
_FALSE = "it must be literally false"
_EVERYONE = "statement 0 of the policy lets everyone in"
_OPEN = document(allow("s3:GetObject", Principal="*"))
_PORT = "the database port 5432 is open to addresses, or may be"
_NET = "networkConfiguration"
_TARGET_NET = "target.ecsParameters.networkConfiguration"
_OAC = "origins[0] is a bucket without originAccessControlId, which only a public one could serve"
_HEADERS = "responseHeadersPolicyId is not set; it must be set"

CASES = [
    *(
        Case("rds-public-address", token, "publiclyAccessible", value, f"publiclyAccessible {found}; {_FALSE}")
        for token in (RDS_INSTANCE, RDS_CLUSTER_INSTANCE)
        for value, found in [
            (UNSET, "is not set"),
            (True, "is true"),
            (0, "is 0"),
            (UNKNOWN_BOOLEAN_VALUE, _UNKNOWN),
        ]
    ),
    Case("rds-network", RDS_INSTANCE, "dbSubnetGroupName", UNSET, "dbSubnetGroupName is not set; it must be set"),
    Case("rds-network", RDS_INSTANCE, "vpcSecurityGroupIds", [], "vpcSecurityGroupIds is empty; it must be set"),
    Case("rds-snapshot-shared", RDS_SNAPSHOT, "sharedAccounts", ["all"], "sharedAccounts is set; it must not be set"),
    Case(
        "rds-snapshot-shared",
        RDS_SNAPSHOT_COPY,
        "sharedAccounts",
        UNKNOWN_ARRAY_VALUE,
        f"sharedAccounts {_UNKNOWN}; it must not be set",
    ),
    Case("aws-public-policy", S3_POLICIES[0], "policy", _OPEN, _EVERYONE),
    Case(
        "aws-public-policy",
        S3_POLICIES[0],
        "policy",
        document(allow("s3:GetObject", Principal={"AWS": ["arn:aws:iam::1:root", "*"]})),
        _EVERYONE,
    ),
    Case(
        "aws-public-policy",
        S3_POLICIES[0],
        "policy",
        document(allow("s3:GetObject", Principal="*", Condition={"StringLike": {"aws:SourceArn": "*"}})),
        _EVERYONE,
    ),
    Case(
        "aws-public-policy",
        S3_POLICIES[0],
        "policy",
        document(allow("s3:GetObject", Principal="*", Condition={"StringNotEquals": {"aws:SourceAccount": "1"}})),
        _EVERYONE,
    ),
    Case(
        "aws-public-policy",
        S3_POLICIES[0],
        "policy",
        document(
            {"Effect": "Allow", "Action": "s3:*", "Resource": "*", "NotPrincipal": {"AWS": "arn:aws:iam::1:root"}}
        ),
        _EVERYONE,
    ),
    Case(
        "aws-public-policy",
        S3_POLICIES[0],
        "policy",
        "not JSON",
        "the rule could not be evaluated (JSONDecodeError), so it refuses",
    ),
    *(
        Case("aws-public-policy", token, "policy", UNKNOWN_STRING_VALUE, f"policy {_UNKNOWN}; it must be a literal")
        for token in (S3_POLICIES[0], KMS_KEY, SECRET_POLICY, TOPIC_POLICY)
    ),
    *(
        Case(
            "aws-public-policy",
            SECRET_POLICY,
            "blockPublicPolicy",
            value,
            f"blockPublicPolicy {found}; it must be literally true",
        )
        for value, found in [(UNSET, "is not set"), (False, "is false"), (UNKNOWN_BOOLEAN_VALUE, _UNKNOWN)]
    ),
    Case(
        "aws-public-policy",
        KMS_KEY,
        "bypassPolicyLockoutSafetyCheck",
        True,
        f"bypassPolicyLockoutSafetyCheck is true; {_FALSE}",
    ),
    *(
        Case(
            "s3-inline-acl",
            S3_BUCKETS[0],
            path,
            value,
            f"{path} is set on the bucket; access control lists bypass policies and are not allowed",
        )
        for path, value in [
            ("acl", "public-read"),
            ("acl", UNKNOWN_STRING_VALUE),
            ("grants", [{"type": "Group"}]),
        ]
    ),
    *(
        Case("subnet-public-address", SUBNET, "mapPublicIpOnLaunch", value, f"mapPublicIpOnLaunch {found}; {_FALSE}")
        for value, found in [(True, "is true"), (UNKNOWN_BOOLEAN_VALUE, _UNKNOWN)]
    ),
    *(
        Case("ecs-public-address", token, f"{path}.assignPublicIp", value, f"{path}.assignPublicIp {found}; {_FALSE}")
        for token, path in [(ECS_SERVICE, _NET), (SCHEDULE, _TARGET_NET)]
        for value, found in [(True, "is true"), (UNKNOWN_BOOLEAN_VALUE, _UNKNOWN)]
    ),
    Case(
        "ecs-public-address",
        SCHEDULE,
        f"{_TARGET_NET}.securityGroups",
        UNSET,
        f"{_TARGET_NET}.securityGroups is not set; it must be set",
    ),
    Case("ecs-public-address", ECS_SERVICE, f"{_NET}.subnets", [], f"{_NET}.subnets is empty; it must be set"),
    *(
        Case(
            "ecs-network-mode",
            TASK_DEFINITION,
            "networkMode",
            value,
            f"networkMode {found}; it must be literally awsvpc",
        )
        for value, found in [(UNSET, "is not set"), ("host", "is another value"), (UNKNOWN_STRING_VALUE, _UNKNOWN)]
    ),
    Case("cloudfront-origin-access", DISTRIBUTION, "origins.0.originAccessControlId", UNSET, _OAC),
    Case("cloudfront-origin-access", DISTRIBUTION, "origins.0.originAccessControlId", "", _OAC),
    Case(
        "cloudfront-origin-access",
        DISTRIBUTION,
        "origins.1.domainName",
        "acme.s3-website.eu-central-1.amazonaws.com",
        "origins[1] is a bucket's public website",
    ),
    Case("cloudfront-origin-access", DISTRIBUTION, "origins", [], "origins is empty; it must be a literal"),
    Case(
        "cloudfront-origin-access",
        DISTRIBUTION,
        "origins",
        UNKNOWN_ARRAY_VALUE,
        f"origins {_UNKNOWN}; it must be a literal",
    ),
    Case(
        "cloudfront-headers",
        DISTRIBUTION,
        "defaultCacheBehavior.responseHeadersPolicyId",
        UNSET,
        f"defaultCacheBehavior.{_HEADERS}",
    ),
    Case(
        "cloudfront-headers",
        DISTRIBUTION,
        "orderedCacheBehaviors.0.responseHeadersPolicyId",
        "",
        f"orderedCacheBehaviors[0].{_HEADERS}",
    ),
    Case("sg-database-port", INGRESS_RULE, "cidrIpv4", "10.0.0.0/16", _PORT),
    Case("sg-database-port", INGRESS_RULE, "cidrIpv6", UNKNOWN_STRING_VALUE, _PORT),
    Case("sg-database-port", INGRESS_RULE, "prefixListId", "pl-1", _PORT),
    Case("sg-database-port", SECURITY_GROUP, "ingress.0.toPort", UNKNOWN_STRING_VALUE, f"ingress[0]: {_PORT}"),
    # the upper port stays at 8080
    Case("sg-database-port", SECURITY_GROUP, "ingress.0.fromPort", 5000, f"ingress[0]: {_PORT}"),
    Case("sg-database-port", SECURITY_GROUP, "ingress.0.protocol", "-1", f"ingress[0]: {_PORT}"),
    Case("sg-database-port", SECURITY_GROUP, "ingress", UNKNOWN_ARRAY_VALUE, f"ingress: {_PORT}"),
    Case("sg-database-port", SECURITY_GROUP_RULE, "type", "ingress", _PORT),
    *(
        Case(
            "sg-default",
            DEFAULT_SECURITY_GROUP,
            path,
            value,
            f"{path} is set; the default security group must let nothing through",
        )
        for path in ("ingress", "egress")
        for value in ([{"protocol": "-1", "self": True}], UNKNOWN_ARRAY_VALUE)
    ),
]


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_one_change_is_one_violation(case: Case) -> None:
    assert judge(case.rule, case.token, changed(COMPLIANT[case.token], case.path, case.value)) == [case.message]


@pytest.mark.parametrize("token", S3_ACLS)
def test_no_access_control_list_is_allowed(token: str) -> None:
    assert judge("s3-acl", token, {"acl": "private"}) == ["access control lists bypass policies and are not allowed"]


def test_a_database_port_within_a_group_rule_is_open_to_groups() -> None:
    props = COMPLIANT[INGRESS_RULE]
    assert (
        judge(
            "sg-database-port", INGRESS_RULE, props | {"fromPort": 5433.0, "toPort": 5433.0, "cidrIpv4": "10.0.0.0/8"}
        )
        == []
    )
    assert judge("sg-database-port", INGRESS_RULE, props | {"ipProtocol": "-1"}) == []


def test_a_schedule_that_starts_no_task_has_no_network() -> None:
    assert judge("ecs-public-address", SCHEDULE, {"target": {"arn": "arn:aws:lambda:x"}}) == []


def test_an_aurora_cluster_need_not_speak_of_addresses() -> None:
    token = "aws:rds/cluster:Cluster"

    assert judge("rds-public-address", token, {}) == []
    assert judge("rds-public-address", token, {"publiclyAccessible": True}) == [f"publiclyAccessible is true; {_FALSE}"]


def test_a_replica_takes_its_sources_subnets() -> None:
    assert judge("rds-network", RDS_INSTANCE, {"replicateSourceDb": "acme", "vpcSecurityGroupIds": ["sg-1"]}) == []


class TestDocuments:
    def test_single_values_become_lists_and_operators_lower_case(self) -> None:
        text = (
            '{"Statement": {"Effect": "Deny", "Principal": {"AWS": "a", "Service": ["b", "c"]}, "Action": "s3:*", '
            '"Resource": "r", "Condition": {"Bool": {"aws:SecureTransport": false}}}}'
        )

        assert statements(text) == [
            Statement(
                allows=False,
                actions=("s3:*",),
                by_exclusion=False,
                principals=(("AWS", "a"), ("Service", "b"), ("Service", "c")),
                resources=("r",),
                conditions={"bool": {"aws:securetransport": ("false",)}},
            )
        ]

    def test_absence_and_the_unknown_are_told_apart(self) -> None:
        assert statements(ABSENT) is ABSENT
        assert statements(UNKNOWN) is UNKNOWN
        assert statements({"Statement": [{"Effect": "Allow", "Resource": [UNKNOWN]}]}) is UNKNOWN

    @pytest.mark.parametrize("text", ["[]", "{}", '{"Statement": ["x"]}', '{"Statement": {"Effect": "allow"}}'])
    def test_what_is_no_policy_is_an_error(self, text: str) -> None:
        with pytest.raises(TypeError):
            statements(text)

    @pytest.mark.parametrize(
        ("condition", "public"),
        [
            ({}, True),
            ({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}, False),
            ({"stringlike": {"AWS:SourceArn": [f"arn:aws:s3:*:{ACCOUNT}:*"]}}, False),
            ({"StringLike": {"aws:SourceArn": ["arn:x", "*"]}}, True),
            ({"Bool": {"aws:SecureTransport": "true"}}, True),
            ({"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}, True),
        ],
    )
    def test_who_is_everyone(self, condition: dict[str, dict[str, str]], *, public: bool) -> None:
        found = statements(document(allow("s3:GetObject", Principal="*", Condition=condition)))

        assert isinstance(found, list)
        assert [statement.is_public for statement in found] == [public]
