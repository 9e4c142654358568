"""Every problem that a configuration can have, with its place, its value and the fix, word for word."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from settings.errors import ConfigError, Problem
from settings.load import read_stack_file
from settings.resolve import load
from tests.unit.settings.documents import DELETE, aws, aws_prod, both, dev, problems, prod, staging, web, web_aws

FOLDER: Final = Path(__file__).parent / "problems"
DOCUMENTS: Final = {
    "dev": dev,
    "staging": staging,
    "prod": prod,
    "aws": aws,
    "aws-prod": aws_prod,
    "both": both,
    "web": web,
    "web-aws": web_aws,
}
CASES: Final[list[dict[str, Any]]] = [
    case
    for name in ("form.yaml", "meaning.yaml", "kinds.yaml", "web.yaml")
    for case in yaml.safe_load((FOLDER / name).read_text())
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_problem(case: dict[str, Any]) -> None:
    changes = {path: DELETE if value == "(deleted)" else value for path, value in case["changes"].items()}
    document = DOCUMENTS[case["stack"]](changes)
    assert [str(problem) for problem in problems(document)] == case["problems"]


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_documents_are_sound_without_changes(document: Callable[[], dict[str, Any]]) -> None:
    assert problems(document()) == ()


def test_stack_must_be_the_environment() -> None:
    with pytest.raises(ConfigError) as caught:
        load(dev(), "staging")
    assert caught.value.problems == (
        Problem(
            path="tenantry:environment.name",
            message="is not the stack's name 'staging'",
            value='"dev"',
            fix="name the environment after its stack; each stack has a cloud project of its own",
        ),
    )


def test_all_at_once() -> None:
    """Mistakes of form and of meaning, of several tenants and sections, in one run and in the order of the file."""
    document = dev(
        {
            "backups": {"export_retention_days": 1},
            "gcp.backup_region": "europe-west1",
            "monitoring.app_host": "nowhere",
            "pools.general.pitr_days": 1,
            "tenants": [
                {"id": "No"},
                {"id": "acme", "plan": "gold"},
                {"id": "birchwood", "ring": "first"},
                *({"id": f"tenant-{number}", "plan": "enterprise"} for number in range(7)),
                {"id": "cobalt", "pool": "gold"},
            ],
        }
    )
    assert [(problem.path, problem.value) for problem in problems(document)] == [
        ("tenantry:backups.export_retention_days", "1"),
        ("tenantry:gcp.backup_region", '"europe-west1"'),
        ("tenantry:monitoring.app_host", '"nowhere"'),
        ("tenantry:pools.general.pitr_days", "1"),
        ("tenantry:tenants[0].id", '"No"'),
        ("tenantry:tenants[1].plan", '"gold"'),
        ("tenantry:tenants[2].ring", '"first"'),
        ("tenantry:tenants[10].pool", '"gold"'),
    ]


def test_every_bad_input_at_once() -> None:
    """One of each: kind, region, cloud, pool, external secret, domain, budget, target, and a broken section."""
    document = web(
        {
            "gcp.backup_region": "eu-west-1",
            "monitoring.budget": {"amount": 100},
            "delivery.host": "app.ledgerly.example",
            "pools.amazon": {"capacity": 1, "kind": "rds"},
            "pools.general.region": "eu-central-1",
            "secrets.external": ["SENTRY_DSN"],
            "tenants": [
                {"id": "acme", "kind": "mysql"},
                {"id": "birchwood", "kind": "rds"},
                {"id": "cobalt", "pool": "amazon"},
                {"id": "dune", "kind": "external", "targets": {"region": {"rpo_minutes": 5, "rto_minutes": 240}}},
                {"id": "elm", "targets": {"region": {"rpo_minutes": 5, "rto_minutes": 480}}},
                {"id": "firn", "kind": "firestore", "connection_limit": 3},
            ],
        }
    )
    with pytest.raises(ConfigError) as caught:
        load(document, "dev", encrypted=True)
    assert [(problem.path, problem.message) for problem in caught.value.problems] == [
        ("tenantry:delivery.host", "is also tenantry:vercel.domains[0].name; a domain leads to one place"),
        (
            "tenantry:external_secrets.DUNE_DATABASE_URL",
            "is missing, and tenant 'dune' is of kind external: it holds the URL of its database",
        ),
        ("tenantry:external_secrets.SENTRY_DSN", "is missing, and secrets.external lists SENTRY_DSN"),
        ("tenantry:gcp.backup_region", "is a region of AWS; those of Google Cloud look like europe-west1"),
        ("tenantry:gcp.billing_account", "is missing, and monitoring.budget needs it"),
        (
            "tenantry:pools.amazon.kind",
            "pool 'amazon': is rds, which runs on AWS, and the stack has no section tenantry:aws",
        ),
        (
            "tenantry:pools.general.region",
            "pool 'general': is a region of AWS, and cloudsql runs on Google Cloud",
        ),
        ("tenantry:tenants[0].kind", "tenant 'acme': is not one of the allowed values"),
        (
            "tenantry:tenants[1].kind",
            "tenant 'birchwood': is rds, which runs on AWS, and the stack has no section tenantry:aws",
        ),
        (
            "tenantry:tenants[3].targets.region.rpo_minutes",
            "tenant 'dune': cannot be met: the nightly export reaches 1440 minutes when the scope is region (R3.3)",
        ),
        (
            "tenantry:tenants[4].targets.region.rpo_minutes",
            "tenant 'elm': cannot be met: pool general reaches 1440 minutes when the scope is region (R3.3)",
        ),
        (
            "tenantry:tenants[5].connection_limit",
            "tenant 'firn': kind is firestore, which has no connection_limit",
        ),
    ]


BAD_TENANT: Final = "tenantry:tenants[0].connection_limit"


@pytest.mark.parametrize(
    ("document", "changes", "place"),
    [
        (web, {"gcp": "europe"}, "gcp"),
        (web, {"gcp.region": "Europe"}, "gcp.region"),
        (web, {"gcp.zzz": 1}, "gcp.zzz"),
        (web, {"gcp.project": DELETE}, "gcp.project"),
        (web_aws, {"aws": []}, "aws"),
        (web_aws, {"aws.region": "Europe", "aws.zones": ["eu-central-1a", "eu-central-1b"]}, "aws.region"),
        (
            web_aws,
            {
                "aws.region": "Europe",
                "services.gateway.certificate": f"arn:aws:acm:eu-central-1:111122223333:certificate/{'0' * 36}",
                "services.gateway.zone": DELETE,
            },
            "aws.region",
        ),
        (web_aws, {"aws.account_id": 111122223333}, "aws.account_id"),
        (both, {"environment.home": "azure"}, "environment.home"),
        (both, {"environment.home": DELETE}, "environment.home"),
        (web, {"environment": None}, "environment"),
        (web, {"environment.name": "production"}, "environment.name"),
        (web, {"environment.cost_centre": DELETE}, "environment.cost_centre"),
        (web, {"monitoring": DELETE}, "monitoring"),
        (web, {"monitoring.app_host": 1}, "monitoring.app_host"),
        (web, {"vercel": []}, "vercel"),
        (web, {"vercel.team": DELETE}, "vercel.team"),
        (web, {"vercel.secrets": {"production": {"port": "PORT"}}}, "vercel.secrets.production.port"),
        (web, {"services": []}, "services"),
        (web, {"services.gateway": None}, "services.gateway"),
        (web, {"services.worker.port": 0}, "services.worker.port"),
        (web, {"services.W": {}}, "services.W"),
        (web, {"tasks.quotes.schedule": "daily"}, "tasks.quotes.schedule"),
        (web, {"tasks": None}, "tasks"),
        (web, {"queues.orders.max_attempts": 1}, "queues.orders.max_attempts"),
        (web, {"delivery.host": "localhost"}, "delivery.host"),
        (web_aws, {"delivery.zone": "zone"}, "delivery.zone"),
        (web, {"secrets": [], "services.worker.secrets": ["SENTRY_DSN"]}, "secrets"),
        (web, {"secrets.external": {}, "vercel.secrets": {"production": {"S": "SENTRY_DSN"}}}, "secrets.external"),
        (web, {"secrets.external": {}, "tasks.quotes.secrets": ["SENTRY_DSN"]}, "secrets.external"),
        (web, {"backups": 1}, "backups"),
        (web, {"pools.spare": {}}, "pools.spare.capacity"),
        (web, {"plans.spare": {"ring": "x"}}, "plans.spare.ring"),
    ],
    ids=str,
)
def test_a_broken_section_hides_nobodys_mistakes(
    document: Callable[[dict[str, Any]], dict[str, Any]], changes: dict[str, Any], place: str
) -> None:
    """And none of what only looks wrong because of it is reported beside."""
    kind = "rds" if document is web_aws else "cloudsql"
    bad = {"id": "acme", "plan": "enterprise", "kind": kind, "connection_limit": 4000}
    raw = document(changes) | {"tenants": [bad]}
    found = [problem.path for problem in problems(raw)]
    assert BAD_TENANT in found
    others = [path for path in found if path != BAD_TENANT]
    assert others
    assert {path for path in others if not path.startswith(f"tenantry:{place}")} == set()


def test_nothing_is_said_of_tenants_without_a_default_plan() -> None:
    document = dev({"environment.default_plan": 1, "tenants.2.connection_limit": 4000})
    assert [problem.path for problem in problems(document)] == [
        "tenantry:environment.default_plan",
        "tenantry:tenants[2].connection_limit",
    ]


def test_what_does_not_lean_on_the_home_is_judged_without_one() -> None:
    document = both(
        {
            "environment.home": DELETE,
            "pools.amazon": {"capacity": 1, "kind": "rds", "tier": "db-f1-micro"},
            "pools.general.pitr_days": 1,
            "tenants": [
                {"id": "acme", "pool": "gold"},
                {"id": "birchwood", "kind": "rds", "pool": "gold"},
                {"id": "dune", "kind": "external", "pool": "general"},
            ],
        }
    )
    assert [problem.path for problem in problems(document)] == [
        "tenantry:environment.home",
        "tenantry:pools.amazon.tier",
        "tenantry:tenants[1].pool",
        "tenantry:tenants[2].pool",
    ]


def test_what_leans_on_something_broken_is_not_reported_twice() -> None:
    broken_pool = dev({"pools.general.capacity": "many"})
    assert [problem.path for problem in problems(broken_pool)] == ["tenantry:pools.general.capacity"]
    broken_plan = dev({"plans.standard.ring": "first", "tenants.2.pool": "general"})
    assert [problem.path for problem in problems(broken_plan)] == [
        "tenantry:plans.standard.ring",
        "tenantry:tenants[2].pool",
    ]
    # and what a stand-in would say of the field it stands for does not count
    broken_list = dev({"secrets.external": "PAGERDUTY_KEY", "monitoring.channels.pagerduty": True})
    assert [problem.path for problem in problems(broken_list)] == ["tenantry:secrets.external"]


def test_report_counts_and_numbers() -> None:
    problem = Problem(path="tenantry:tenants[0].id", message="is missing", fix="add it")
    other = Problem(path="tenantry:gcp.region", message="has the wrong form", value='"x"', fix="choose one")
    assert str(ConfigError([problem, problem])) == (
        "1 problem in the stack configuration; nothing was changed.\n"
        "  1. tenantry:tenants[0].id: is missing\n    fix: add it"
    )
    assert str(ConfigError([problem, other])).splitlines()[0::2] == [
        "2 problems in the stack configuration; nothing was changed.",
        "    fix: choose one",
        "    fix: add it",
    ]


def test_order_is_stable_and_numeric() -> None:
    document = dev({"tenants": [{"id": f"tenant-{number}", "plan": "gold"} for number in range(12)]})
    positions = [int(problem.path.split("[")[1].split("]")[0]) for problem in problems(document)]
    assert all(one < other for one, other in pairwise(positions))
    assert len(positions) == 12


@pytest.mark.parametrize(
    ("changes", "secret"),
    [
        ({"zzz": "hunter2"}, "hunter2"),
        ({"secrets.external": {"SENTRY_DSN": "hunter2"}}, "hunter2"),
        ({"secrets.external": ["hunter2"]}, "hunter2"),
        ({"secrets.JWT_SECRET": "hunter2"}, "hunter2"),
        ({"monitoring.channels.slack": "hunter2"}, "hunter2"),
        ({"monitoring.channels.pagerduty": "hunter2"}, "hunter2"),
        ({"tenants.0.name": {"password": "hunter2"}}, "hunter2"),
        ({"tenants.0.password": "hunter2"}, "hunter2"),
        ({"tenants.0.external": "postgresql://u:hunter2@h/d"}, "hunter2"),
        ({"plans.standard.external": {"provider": "postgresql://u:hunter2@h/d"}}, "hunter2"),
        ({"vercel": {"secrets": {"production": {"KEY": "hunter2"}}}}, "hunter2"),
        ({"vercel": {"variables": {"production": {"hunter2": 7}}, "log_drain": "hunter2x"}}, "hunter2x"),
        ({"services": {"worker": {"secrets": ["hunter2"]}}}, "hunter2"),
        ({"tasks": {"quotes": {"secrets": "hunter2"}}}, "hunter2"),
    ],
)
def test_pasted_secret_is_never_shown(changes: dict[str, Any], secret: str) -> None:
    found = problems(dev(changes))
    assert found
    assert secret not in str(ConfigError(found))


def test_long_value_is_cut() -> None:
    [problem] = problems(dev({"monitoring.health_path": "x" * 100}))
    assert problem.value == '"' + "x" * 59 + "…"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("config: {}\nconfig: {}\n", "is not valid YAML in line 2: key 'config' is there twice"),
        ("config: [\n", "is not valid YAML in line 2: expected the node content, but found '<stream end>'"),
        ("? [a]\n: b\n", "is not valid YAML in line 1: found unhashable key"),
        ("config: \x00\n", "holds characters that YAML does not allow"),
        ("", "is missing"),
        ("config:\n", "is missing"),
        ("- config\n", "is missing"),
    ],
)
def test_file_that_is_no_stack_file(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_stack_file(file)
    [problem] = caught.value.problems
    assert problem.message == expected
    assert problem.path.startswith("Pulumi.dev.yaml")


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file or directory"):
        read_stack_file(tmp_path / "Pulumi.dev.yaml")


def test_file_that_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_bytes(b"config: \xff\xfe\n")
    with pytest.raises(ConfigError, match="save it as UTF-8"):
        read_stack_file(file)


def test_only_our_namespace_is_read(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text("config:\n  gcp:project: x\n  tenantry:tenants: [{id: acme}]\n  tenantry_more:a: 1\n")
    assert read_stack_file(file) == {"tenants": [{"id": "acme"}]}
