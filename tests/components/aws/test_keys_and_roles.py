"""Keys and identities on AWS: who may use what, word by word."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.components.aws.account import ACCOUNT, AWAY, HOME, IMAGE, build, built, role_statements, statements
from tests.components.program import Document

KEY = "aws:kms/key:Key"
ALIAS = "aws:kms/alias:Alias"
ROLE = "aws:iam/role:Role"
RIGHTS = "aws:iam/rolePolicy:RolePolicy"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
REGISTRY = "arn:aws:s3:::ledgerly-dev-registry"
WORKLOADS = ("gateway", "worker", "migrator", "backup", "sqljob", "watch")


def _role(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/ledgerly-dev-{name}"


def _secret(pattern: str) -> str:
    return f"arn:aws:secretsmanager:{HOME}:{ACCOUNT}:secret:{pattern}"


def _key(alias: str, service: str, region: str = HOME) -> dict[str, Any]:
    """What a statement that uses a key says of it."""
    return {
        "Resource": f"arn:aws:kms:{region}:{ACCOUNT}:key/*",
        "Condition": {
            "ForAnyValue:StringEquals": {"kms:ResourceAliases": f"alias/ledgerly-dev-{alias}"},
            "StringEquals": {"kms:ViaService": f"{service}.{region}.amazonaws.com"},
        },
    }


def _rights(role: str) -> dict[str, dict[str, Any]]:
    return role_statements(built("dev"), role)


# --- keys ------------------------------------------------------------------------------------------------------------


def test_each_use_has_a_key_in_both_regions() -> None:
    uses = ("sql", "storage", "secrets", "logs", "backup")
    keys = built("dev").of(KEY)
    assert set(keys) == {f"key-{use}-{region}" for use in uses for region in (HOME, AWAY)}
    for name, item in keys.items():
        key = item.inputs
        assert name.endswith(key["region"])
        assert key["enableKeyRotation"] is True
        assert (key["rotationPeriodInDays"], key["deletionWindowInDays"]) == (365, 30)
        assert (key["isEnabled"], key["multiRegion"], key["bypassPolicyLockoutSafetyCheck"]) == (True, False, False)
        assert item.protect


def test_a_key_is_found_by_its_alias_in_its_region() -> None:
    run = built("dev")
    for name, alias in run.of(ALIAS).items():
        key = run.mocks.one(KEY, name.removesuffix("-alias"))
        use = key.inputs["tags"]["use"]
        assert alias.inputs["name"] == f"alias/ledgerly-dev-{use}"
        assert alias.inputs["region"] == key.inputs["region"]
        assert alias.inputs["targetKeyId"] == key.outputs["keyId"]


def test_a_key_obeys_the_account_and_the_services_that_have_no_role_here() -> None:
    account = {"Sid": "Account", "Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "kms:*", "Resource": "*"}
    for name, item in built("dev").of(KEY).items():
        found = statements(item.inputs["policy"])
        assert found.pop("Account") == account
        logs, away = "-logs-" in name, name.endswith(AWAY)
        assert set(found) == (
            ({"LogGroups"} if logs else set())
            | ({"TrailEncrypts", "TrailDescribesKey"} if logs and away else set())
            | ({"TrailArchive"} if "-storage-" in name and away else set())
        )


@pytest.mark.parametrize("region", [HOME, AWAY])
def test_logs_are_encrypted_for_the_accounts_log_groups_only(region: str) -> None:
    found = statements(built("dev").inputs(KEY, f"key-logs-{region}")["policy"])["LogGroups"]
    assert found["Principal"] == {"Service": f"logs.{region}.amazonaws.com"}
    assert found["Condition"] == {
        "ArnLike": {"kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:{region}:{ACCOUNT}:log-group:*"}
    }


def test_cloudfront_decrypts_where_something_is_delivered() -> None:
    def deliver(document: Document) -> None:
        document["delivery"] = {"host": "files.ledgerly.example", "zone": "Z0123456789ABC"}

    run = build("dev", deliver)
    found = statements(run.inputs(KEY, f"key-storage-{HOME}")["policy"])["Delivery"]
    assert (found["Principal"], found["Action"]) == ({"Service": "cloudfront.amazonaws.com"}, "kms:Decrypt")
    assert found["Condition"] == {"ArnLike": {"aws:SourceArn": f"arn:aws:cloudfront::{ACCOUNT}:distribution/*"}}
    assert "Delivery" not in statements(run.inputs(KEY, f"key-storage-{AWAY}")["policy"])


# --- roles -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workload", [*WORKLOADS, "execution"])
def test_only_tasks_of_this_account_take_a_workloads_role(workload: str) -> None:
    role = built("dev").inputs(ROLE, f"role-{workload}")
    assert role["name"] == f"ledgerly-dev-{workload}"
    assert json.loads(role["assumeRolePolicy"])["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ecs-tasks.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {
                "StringEquals": {"aws:SourceAccount": ACCOUNT},
                "ArnLike": {"aws:SourceArn": f"arn:aws:ecs:{HOME}:{ACCOUNT}:*"},
            },
        }
    ]


@pytest.mark.parametrize("workload", WORKLOADS)
def test_every_workload_reads_the_registry(workload: str) -> None:
    rights = _rights(workload)
    assert rights["ListRegistry"]["Resource"] == REGISTRY
    assert (rights["ReadRegistry"]["Action"], rights["ReadRegistry"]["Resource"]) == (
        "s3:GetObject",
        f"{REGISTRY}/*",
    )
    assert rights["DecryptRegistry"] == {
        "Sid": "DecryptRegistry",
        "Effect": "Allow",
        "Action": "kms:Decrypt",
        **_key("storage", "s3"),
    }


def test_what_each_workload_may_do_by_name() -> None:
    registry = {"ListRegistry", "ReadRegistry", "DecryptRegistry"}
    application = {*registry, "ReadSecrets", "DecryptSecrets", "TakeFilesRole"}
    assert {workload: set(_rights(workload)) for workload in WORKLOADS} == {
        "gateway": {*application, "ListAssets", "WriteAssets", "EncryptAssets"},
        "worker": {*application, "LogIn"},
        "migrator": {*registry, "LogIn"},
        "backup": {*registry, "LogIn"},
        "sqljob": {
            *registry,
            "ListExports",
            "ReadExports",
            "DecryptExports",
            "WriteStatus",
            "EncryptStatus",
            "ReadCredentials",
            "PublishUrls",
            "UseSecrets",
        },
        "watch": registry,
    }


@pytest.mark.parametrize("workload", ["gateway", "worker"])
def test_the_application_reads_urls_and_its_own_secrets_and_no_credential(workload: str) -> None:
    rights = _rights(workload)
    assert rights["ReadSecrets"]["Resource"] == [
        _secret("app-*-??????"),
        _secret("tenant-*-database-url-??????"),
    ]
    assert rights["DecryptSecrets"] | _key("secrets", "secretsmanager") == rights["DecryptSecrets"]
    assert rights["TakeFilesRole"]["Resource"] == _role("files")


@pytest.mark.parametrize("workload", ["worker", "migrator", "backup"])
def test_platform_users_log_in_with_their_own_identity(workload: str) -> None:
    right = _rights(workload)["LogIn"]
    assert right["Action"] == "rds-db:connect"
    assert right["Resource"] == f"arn:aws:rds-db:{HOME}:{ACCOUNT}:dbuser:*/tenantry_{workload}"


def test_the_sql_job_reads_credentials_and_publishes_urls() -> None:
    rights = _rights("sqljob")
    assert rights["ReadCredentials"]["Resource"] == [_secret("tenant-*-credential-??????"), _secret("rds!db-*")]
    assert rights["ReadCredentials"]["Action"] == "secretsmanager:GetSecretValue"
    assert rights["PublishUrls"]["Resource"] == _secret("tenant-*-database-url-??????")
    assert rights["PublishUrls"]["Action"] == ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"]
    assert (rights["WriteStatus"]["Action"], rights["WriteStatus"]["Resource"]) == (
        "s3:PutObject",
        f"{REGISTRY}/status/*",
    )


def test_the_sql_job_reads_final_markers_and_no_dump() -> None:
    rights = _rights("sqljob")
    exports = "arn:aws:s3:::ledgerly-dev-exports"
    assert (rights["ListExports"]["Action"], rights["ListExports"]["Resource"]) == ("s3:ListBucket", exports)
    assert rights["ReadExports"]["Action"] == "s3:GetObject"
    assert rights["ReadExports"]["Resource"] == [f"{exports}/dump/*", f"{exports}/final/*"]
    assert rights["DecryptExports"] == {
        "Sid": "DecryptExports",
        "Effect": "Allow",
        "Action": "kms:Decrypt",
        **_key("storage", "s3", AWAY),
    }


def test_the_scheduler_starts_tasks_of_the_cluster_with_the_roles_of_workloads() -> None:
    rights = _rights("scheduler")
    assert rights["StartTasks"]["Resource"] == f"arn:aws:ecs:{HOME}:{ACCOUNT}:task-definition/ledgerly-dev-*"
    assert rights["StartTasks"]["Condition"] == {
        "ArnEquals": {"ecs:cluster": f"arn:aws:ecs:{HOME}:{ACCOUNT}:cluster/ledgerly-dev"}
    }
    assert rights["GiveRoles"]["Resource"] == sorted(_role(name) for name in (*WORKLOADS, "execution"))
    assert rights["GiveRoles"]["Condition"] == {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}


def test_starting_a_task_takes_its_log_its_secrets_and_its_image() -> None:
    rights = _rights("execution")
    assert rights["WriteLogs"]["Resource"] == (f"arn:aws:logs:{HOME}:{ACCOUNT}:log-group:/tenantry/dev/*:log-stream:*")
    assert rights["ReadSecrets"]["Resource"] == [_secret("app-*-??????")]
    assert rights["PullImages"]["Resource"] == [f"arn:aws:ecr:{HOME}:{ACCOUNT}:repository/tenantry/jobs"]


def test_an_image_from_elsewhere_needs_no_right() -> None:
    def elsewhere(document: Document) -> None:
        document["aws"]["jobs_image"] = IMAGE.replace(IMAGE.partition("/")[0], "ghcr.io")

    rights = role_statements(build("dev", elsewhere), "execution")
    assert set(rights) == {"WriteLogs", "ReadSecrets", "DecryptSecrets"}


def test_files_are_reached_by_one_tenant_at_a_time() -> None:
    trust = json.loads(built("dev").inputs(ROLE, "role-files")["assumeRolePolicy"])["Statement"]
    assert trust == [
        {
            "Effect": "Allow",
            "Principal": {"AWS": ROOT},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Condition": {
                "ArnEquals": {"aws:PrincipalArn": [_role("gateway"), _role("worker")]},
                "ForAllValues:StringEquals": {"aws:TagKeys": ["tenant"]},
                "StringLike": {"aws:RequestTag/tenant": "?*"},
            },
        }
    ]
    rights = _rights("files")
    assert rights["UseFiles"]["Resource"] == [
        "arn:aws:s3:::ledgerly-dev-uploads/${aws:PrincipalTag/tenant}/*",
        "arn:aws:s3:::ledgerly-dev-${aws:PrincipalTag/tenant}-uploads/*",
    ]
    assert rights["ListFolder"]["Condition"] == {"StringLike": {"s3:prefix": "${aws:PrincipalTag/tenant}/*"}}


def test_no_role_may_do_everything_and_only_lists_and_logins_are_unbounded() -> None:
    for name in built("dev").of(RIGHTS):
        for statement in (
            role_statements(built("dev"), name.removeprefix("role-").removesuffix("-rights")).values()
            if (name.startswith("role-") and name.endswith("-rights"))
            else ()
        ):
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            assert not any(action == "*" or action.endswith(":*") for action in actions)
            if statement["Resource"] == "*":
                assert actions in (["logs:DescribeLogGroups"], ["ecr:GetAuthorizationToken"])


def test_policies_are_known_before_anything_exists() -> None:
    for item in built("dev").of(RIGHTS).values():
        assert "policy" not in item.sources or item.sources["policy"] == ()
