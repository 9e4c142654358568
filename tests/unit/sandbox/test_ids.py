from __future__ import annotations

import pytest

from recovery.ids import (
    ID_TEMPLATES,
    IMPORT_TEMPLATES,
    NOT_IMPORTABLE,
    REPEATABLE,
    SERVER_ASSIGNED,
    derive_id,
    derive_import_id,
)
from sandbox.cloud.tables import RULES

DEFAULTS = {"project": "p", "region": "r", "projectNumber": "12", "account": "1234"}


@pytest.mark.parametrize(
    ("token", "inputs", "state_id", "import_id"),
    [
        ("gcp:sql/databaseInstance:DatabaseInstance", {"name": "main"}, "main", "main"),
        (
            "gcp:sql/database:Database",
            {"name": "d", "instance": "main"},
            "projects/p/instances/main/databases/d",
            "projects/p/instances/main/databases/d",
        ),
        ("gcp:sql/user:User", {"name": "u", "instance": "main"}, "u//main", "p/main/u"),
        ("gcp:storage/bucketObject:BucketObject", {"bucket": "b", "name": "t/a.json"}, "b-t/a.json", None),
        (
            "gcp:projects/iAMMember:IAMMember",
            {"role": "roles/x", "member": "user:a@b.c"},
            "p/roles/x/user:a@b.c",
            "p roles/x user:a@b.c",
        ),
        (
            "gcp:projects/iAMMember:IAMMember",
            {"role": "roles/x", "member": "user:a@b.c", "condition": {"title": "t", "expression": "e"}},
            "p/roles/x/user:a@b.c/t//e",
            "p roles/x user:a@b.c t",
        ),
        (
            "gcp:secretmanager/secretIamMember:SecretIamMember",
            {"secretId": "projects/p/secrets/s", "role": "roles/x", "member": "user:a"},
            "projects/p/secrets/s/roles/x/user:a",
            "projects/p/secrets/s roles/x user:a",
        ),
        (
            "gcp:servicenetworking/connection:Connection",
            {"network": "projects/p/global/networks/v", "service": "s.com"},
            "projects%2Fp%2Fglobal%2Fnetworks%2Fv:s.com",
            "projects%2Fp%2Fglobal%2Fnetworks%2Fv:s.com",
        ),
        (
            "gcp:cloudscheduler/job:Job",
            {"name": "j", "region": "r2", "project": "p2"},
            "projects/p2/locations/r2/jobs/j",
            "projects/p2/locations/r2/jobs/j",
        ),
        (
            "gcp:monitoring/customService:CustomService",
            {"serviceId": "s"},
            "projects/12/services/s",
            "projects/12/services/s",
        ),
        ("aws:rds/instance:Instance", {"identifier": "main"}, "main", "main"),
        ("aws:s3/bucketObjectv2:BucketObjectv2", {"bucket": "b", "key": "t/a.json"}, "b/t/a.json", "b/t/a.json"),
        ("aws:sns/topic:Topic", {"name": "t"}, "arn:aws:sns:r:1234:t", "arn:aws:sns:r:1234:t"),
        ("aws:sns/topic:Topic", {"name": "t", "region": "r2"}, "arn:aws:sns:r2:1234:t", "arn:aws:sns:r2:1234:t"),
        (
            "aws:iam/openIdConnectProvider:OpenIdConnectProvider",
            {"url": "https://oidc.example.com/team"},
            "arn:aws:iam::1234:oidc-provider/oidc.example.com/team",
            "arn:aws:iam::1234:oidc-provider/oidc.example.com/team",
        ),
        (
            "aws:ec2/route:Route",
            {"routeTableId": "rtb-1", "destinationCidrBlock": "0.0.0.0/0"},
            "r-rtb-11080289494",
            "rtb-1_0.0.0.0/0",
        ),
        (
            "aws:route53/record:Record",
            {"zoneId": "Z1", "name": "a.example.com", "type": "A", "setIdentifier": "eu"},
            "Z1_a.example.com_A_eu",
            "Z1_a.example.com_A_eu",
        ),
        (
            "aws:ecs/service:Service",
            {"cluster": "arn:aws:ecs:r:1234:cluster/jobs", "name": "web"},
            "arn:aws:ecs:r:1234:service/jobs/web",
            "jobs/web",
        ),
        ("aws:acm/certificateValidation:CertificateValidation", {"certificateArn": "arn:c"}, "arn:c", None),
    ],
)
def test_ids_follow_from_inputs(token: str, inputs: dict[str, object], state_id: str, import_id: str | None) -> None:
    assert derive_id(token, inputs, DEFAULTS) == state_id
    assert derive_import_id(token, inputs, DEFAULTS) == import_id


@pytest.mark.parametrize("name", [None, "", 7, {"x": 1}])
def test_no_id_without_a_name(name: object) -> None:
    assert derive_id("gcp:storage/bucket:Bucket", {"name": name}, DEFAULTS) is None


def test_server_assigned_ids_are_never_derived() -> None:
    for token in SERVER_ASSIGNED:
        assert derive_id(token, {"displayName": "x", "secret": "y"}, DEFAULTS) is None


def test_every_simulated_type_has_exactly_one_id_rule() -> None:
    kept = {token for token, rule in RULES.items() if not rule.stateless}
    assert kept == {*ID_TEMPLATES, *SERVER_ASSIGNED}
    assert not {*ID_TEMPLATES} & {*SERVER_ASSIGNED}
    assert {*REPEATABLE} <= {*ID_TEMPLATES}
    assert {*IMPORT_TEMPLATES, *NOT_IMPORTABLE} <= kept
    assert not {*IMPORT_TEMPLATES} & {*NOT_IMPORTABLE}


def test_repeatable_is_what_the_cloud_adopts() -> None:
    adopted = {token for token, rule in RULES.items() if rule.on_exists == "adopt"}
    # Of the default group there is one for each network, under an id of the server's.
    assert adopted - {"aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"} == {*REPEATABLE}
