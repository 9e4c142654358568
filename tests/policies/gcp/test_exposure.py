import pytest

from policies.gcp.tokens import BUCKET, RUN_SERVICE, SQL_INSTANCE, SUBNETWORK
from tests.policies.gcp.fixtures import (
    BUCKET_POLICY,
    COMPLIANT,
    FIREWALL,
    FOLDER_MEMBER,
    NETWORK,
    PROJECT,
    PROJECT_BINDING,
    PROJECT_MEMBER,
)
from tests.policies.support import (
    UNKNOWN_ARRAY_VALUE,
    UNKNOWN_BOOLEAN_VALUE,
    UNKNOWN_OBJECT_VALUE,
    UNKNOWN_STRING_VALUE,
    UNSET,
    Case,
    case_id,
    changed,
    judge,
)

_IP = "settings.ipConfiguration"
_PUBLIC = f"{_IP}.ipv4Enabled"
_NETWORKS = f"{_IP}.authorizedNetworks"
_PRIVATE = f"{_IP}.privateNetwork"
_UNKNOWN = "is not known during preview"
_NO_PATH = f"neither {_IP}.privateNetwork nor a pscConfigs entry with pscEnabled is set"
_INGRESS = "it must be one of INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER, INGRESS_TRAFFIC_INTERNAL_ONLY"


def _literal(rule: str, token: str, path: str, *, wanted: bool) -> list[Case]:
    """A property that must be one boolean: unset, the other one, zero or one, its name as text, and unknown."""
    must = f"it must be literally {str(wanted).lower()}"
    return [
        Case(rule, token, path, UNSET, f"{path} is not set; {must}"),
        Case(rule, token, path, not wanted, f"{path} is {str(not wanted).lower()}; {must}"),
        Case(rule, token, path, int(wanted), f"{path} is {int(wanted)}; {must}"),
        Case(rule, token, path, str(wanted).lower(), f"{path} is another value; {must}"),
        Case(rule, token, path, UNKNOWN_BOOLEAN_VALUE, f"{path} {_UNKNOWN}; {must}"),
    ]


CASES = [
    *_literal("sql-public-ip", SQL_INSTANCE, _PUBLIC, wanted=False),
    Case(
        "sql-public-ip",
        SQL_INSTANCE,
        "settings",
        UNKNOWN_OBJECT_VALUE,
        f"{_PUBLIC} {_UNKNOWN}; it must be literally false",
    ),
    Case(
        "sql-authorized-networks",
        SQL_INSTANCE,
        _NETWORKS,
        [{"value": "0.0.0.0/0"}],
        f"{_NETWORKS} lists 1; it must not be set",
    ),
    Case(
        "sql-authorized-networks",
        SQL_INSTANCE,
        _NETWORKS,
        UNKNOWN_ARRAY_VALUE,
        f"{_NETWORKS} {_UNKNOWN}; it must not be set",
    ),
    Case("sql-private-path", SQL_INSTANCE, _PRIVATE, UNSET, _NO_PATH),
    Case("sql-private-path", SQL_INSTANCE, _PRIVATE, "", _NO_PATH),
    Case(
        "sql-data-api",
        SQL_INSTANCE,
        "settings.dataApiAccess",
        "ALLOW_DATA_API",
        "settings.dataApiAccess is ALLOW_DATA_API; it must be literally DISALLOW_DATA_API",
    ),
    Case(
        "sql-data-api",
        SQL_INSTANCE,
        "settings.dataApiAccess",
        UNKNOWN_STRING_VALUE,
        f"settings.dataApiAccess {_UNKNOWN}; it must be literally DISALLOW_DATA_API",
    ),
    *_literal("bucket-uniform-access", BUCKET, "uniformBucketLevelAccess", wanted=True),
    *(
        Case(
            "bucket-public-access",
            BUCKET,
            "publicAccessPrevention",
            value,
            f"publicAccessPrevention {found}; it must be literally enforced",
        )
        for value, found in [
            (UNSET, "is not set"),
            ("inherited", "is another value"),
            ("", "is empty"),
            (UNKNOWN_STRING_VALUE, _UNKNOWN),
        ]
    ),
    *(
        Case("iam-public-member", token, "member", member, f"the grant includes {member}")
        for token in (PROJECT_MEMBER, FOLDER_MEMBER)
        for member in ("allUsers", "allAuthenticatedUsers")
    ),
    Case("iam-public-member", PROJECT_BINDING, "members", ["a", "allUsers"], "the grant includes allUsers"),
    Case(
        "iam-public-member",
        PROJECT_BINDING,
        "members",
        [UNKNOWN_STRING_VALUE, "allUsers"],
        "the grant includes allUsers",
    ),
    Case(
        "iam-public-member",
        BUCKET_POLICY,
        "policyData",
        '{"bindings": [{"role": "roles/x"}, {"role": "roles/y", "members": ["allUsers"]}]}',
        "policyData includes allUsers",
    ),
    Case(
        "iam-public-member",
        BUCKET_POLICY,
        "policyData",
        UNKNOWN_STRING_VALUE,
        f"policyData {_UNKNOWN}; an authoritative policy must be a literal",
    ),
    Case(
        "iam-public-member",
        BUCKET_POLICY,
        "policyData",
        "not json",
        "the rule could not be evaluated (JSONDecodeError), so it refuses",
    ),
    *(
        Case("run-ingress", RUN_SERVICE, "ingress", value, f"ingress {found}; {_INGRESS}")
        for value, found in [
            (UNSET, "is not set"),
            ("INGRESS_TRAFFIC_ALL", "is INGRESS_TRAFFIC_ALL"),
            (UNKNOWN_STRING_VALUE, _UNKNOWN),
        ]
    ),
    Case(
        "run-invoker", RUN_SERVICE, "invokerIamDisabled", True, "invokerIamDisabled is true; it must be literally false"
    ),
    Case(
        "run-invoker",
        RUN_SERVICE,
        "invokerIamDisabled",
        UNKNOWN_BOOLEAN_VALUE,
        f"invokerIamDisabled {_UNKNOWN}; it must be literally false",
    ),
    *(
        Case("firewall-open-ingress", FIREWALL, "sourceRanges", value, message)
        for value, message in [
            (["10.0.0.0/8", "0.0.0.0/0"], "sourceRanges includes 0.0.0.0/0"),
            (["::/0"], "sourceRanges includes ::/0"),
            (UNSET, "no source is set, which means any"),
            ([], "no source is set, which means any"),
            (UNKNOWN_ARRAY_VALUE, f"sourceRanges {_UNKNOWN}; it must be a literal"),
            ([UNKNOWN_STRING_VALUE], f"sourceRanges {_UNKNOWN}; it must be a literal"),
        ]
    ),
    *_literal("network-auto-subnetworks", NETWORK, "autoCreateSubnetworks", wanted=False),
    *_literal("subnetwork-private-access", SUBNETWORK, "privateIpGoogleAccess", wanted=True),
    *_literal("project-default-network", PROJECT, "autoCreateNetwork", wanted=False),
]


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_one_change_is_one_violation(case: Case) -> None:
    props = changed(COMPLIANT[case.token], case.path, case.value)

    assert judge(case.rule, case.token, props) == [case.message]


def test_private_service_connect_is_a_private_path() -> None:
    props = changed(COMPLIANT[SQL_INSTANCE], _PRIVATE, UNSET)
    connected = changed(props, f"{_IP}.pscConfigs", [{"pscEnabled": True}])

    assert judge("sql-private-path", SQL_INSTANCE, connected) == []
    for off in (False, UNKNOWN_BOOLEAN_VALUE):
        assert judge("sql-private-path", SQL_INSTANCE, changed(props, f"{_IP}.pscConfigs", [{"pscEnabled": off}])) == [
            _NO_PATH
        ]


def test_an_empty_list_of_networks_lets_nobody_in() -> None:
    assert judge("sql-authorized-networks", SQL_INSTANCE, changed(COMPLIANT[SQL_INSTANCE], _NETWORKS, [])) == []


@pytest.mark.parametrize(
    "token",
    [
        "gcp:storage/bucketACL:BucketACL",
        "gcp:storage/bucketAccessControl:BucketAccessControl",
        "gcp:storage/defaultObjectACL:DefaultObjectACL",
        "gcp:storage/defaultObjectAccessControl:DefaultObjectAccessControl",
        "gcp:storage/objectACL:ObjectACL",
        "gcp:storage/objectAccessControl:ObjectAccessControl",
    ],
)
def test_access_control_lists_are_refused(token: str) -> None:
    assert judge("bucket-acl", token, {}) == ["access control lists bypass uniform access and are not allowed"]


@pytest.mark.parametrize(
    "token",
    [
        "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember",
        "gcp:kms/keyRingIAMMember:KeyRingIAMMember",
        "gcp:secretmanager/secretIamMember:SecretIamMember",
        "gcp:serviceaccount/iAMMember:IAMMember",
        "gcp:cloudrunv2/serviceIamMember:ServiceIamMember",
        "gcp:cloudrunv2/jobIamMember:JobIamMember",
        "gcp:pubsub/topicIAMMember:TopicIAMMember",
        "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember",
        "gcp:storage/bucketIAMMember:BucketIAMMember",
        "gcp:folder/iAMMember:IAMMember",
        "gcp:organizations/iAMMember:IAMMember",
    ],
)
def test_no_kind_of_resource_may_be_granted_to_everyone(token: str) -> None:
    assert judge("iam-public-member", token, {"member": "allUsers"}) == ["the grant includes allUsers"]


@pytest.mark.parametrize("safe", [{"direction": "EGRESS"}, {"allows": []}, {"sourceTags": ["gateway"]}])
def test_a_firewall_rule_that_lets_nobody_unnamed_in_passes(safe: dict[str, object]) -> None:
    props = changed(COMPLIANT[FIREWALL], "sourceRanges", UNSET) | safe

    assert judge("firewall-open-ingress", FIREWALL, props) == []


def test_a_firewall_rule_of_no_stated_direction_lets_in() -> None:
    props = changed(COMPLIANT[FIREWALL], "direction", UNSET) | {"sourceRanges": ["0.0.0.0/0"]}

    assert judge("firewall-open-ingress", FIREWALL, props) == ["sourceRanges includes 0.0.0.0/0"]


@pytest.mark.parametrize("rule", ["subnetwork-private-access", "subnetwork-flow-logs"])
def test_a_subnetwork_of_proxies_has_no_machines_to_watch(rule: str) -> None:
    assert judge(rule, SUBNETWORK, {"purpose": "REGIONAL_MANAGED_PROXY"}) == []
