"""Values of external secrets: what is missing or unused, and the URLs of guest databases, never repeated."""

from __future__ import annotations

from typing import Any, Final

import pytest

from settings.dsn import inspect
from settings.errors import ConfigError, Problem
from settings.resolve import load
from tests.unit.settings.documents import dev, web

URL: Final = "postgresql://glade:pa55-w0rd@db.glade.example:5432/app?sslmode=verify-full"
HOSTS: Final = "postgresql://USER:PASSWORD@HOST/DATABASE"
SSL: Final = "end it with ?sslmode=verify-full, or ?sslmode=require where the provider has no public certificate"


def guests(values: dict[str, Any], *entries: dict[str, Any], **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    tenants = [{"id": "glade", "kind": "external"}, *entries]
    return dev({"tenants": tenants, "external_secrets": values, **changes})


def problems(document: dict[str, Any], *, encrypted: bool = True) -> list[Problem]:
    try:
        load(document, "dev", encrypted=encrypted)
    except ConfigError as error:
        return list(error.problems)
    return []


def set_it(name: str) -> str:
    return f"`pulumi config set --secret --path 'tenantry:external_secrets.{name}'`"


@pytest.mark.parametrize("value", [URL, {"secure": "v1:abc"}])
def test_a_set_url_is_accepted_decrypted_or_not(value: object) -> None:
    assert problems(guests({"GLADE_DATABASE_URL": value})) == []


@pytest.mark.parametrize("values", [{}, {"GLADE_DATABASE_URL": ""}, {"GLADE_DATABASE_URL": None}])
def test_a_missing_url_names_its_tenant_and_the_command(values: dict[str, Any]) -> None:
    assert problems(guests(values)) == [
        Problem(
            path="tenantry:external_secrets.GLADE_DATABASE_URL",
            message="is missing, and tenant 'glade' is of kind external: it holds the URL of its database",
            fix=f"set its value with {set_it('GLADE_DATABASE_URL')}",
        )
    ]


def test_a_missing_backup_url() -> None:
    document = guests({"GLADE_DATABASE_URL": URL}, **{"tenants.0.external": {"separate_backup_login": True}})
    assert [problem.path for problem in problems(document)] == ["tenantry:external_secrets.GLADE_BACKUP_DATABASE_URL"]


def test_values_are_left_unjudged_when_nobody_has_them() -> None:
    assert len(load(guests({}), "dev").tenants) == 1


def test_a_listed_secret_without_its_value_and_a_value_without_use() -> None:
    document = guests({"GLADE_DATABASE_URL": URL, "OLD_KEY": "x"}, **{"secrets.external": ["SENTRY_DSN"]})
    assert problems(document) == [
        Problem(
            path="tenantry:external_secrets.OLD_KEY",
            message="is set but nothing uses it",
            fix="add the name to secrets.external, or remove the value",
        ),
        Problem(
            path="tenantry:external_secrets.SENTRY_DSN",
            message="is missing, and secrets.external lists SENTRY_DSN",
            fix=f"set its value with {set_it('SENTRY_DSN')}, or take the name off the list",
        ),
    ]


def test_the_url_of_a_tenant_that_is_gone_is_unused() -> None:
    document = guests({"GLADE_DATABASE_URL": URL, "HEATH_DATABASE_URL": URL})
    assert [problem.path for problem in problems(document)] == ["tenantry:external_secrets.HEATH_DATABASE_URL"]


def test_the_url_of_a_tenant_with_a_mistake_is_not_called_unused() -> None:
    document = guests(
        {"GLADE_DATABASE_URL": URL, "HEATH_DATABASE_URL": {"secure": "v1:x"}},
        {"id": "heath", "kind": "external", "ring": "first"},
    )
    assert [problem.path for problem in problems(document)] == ["tenantry:tenants[1].ring"]


def test_plain_text_is_reported_once() -> None:
    found = problems(guests({"GLADE_DATABASE_URL": URL}), encrypted=False)
    assert [(problem.path, problem.message) for problem in found] == [
        ("tenantry:external_secrets", "holds values in plain text")
    ]


@pytest.mark.parametrize(
    ("url", "found"),
    [
        (
            "mysql://u:p@db.glade.example/app?sslmode=require",
            [("is no URL of PostgreSQL", "begin it with postgresql://")],
        ),
        ("hunter2", [("is no URL of PostgreSQL", "begin it with postgresql://")]),
        (
            "postgresql://u:p@db.glade.example:port/app",
            [("is no URL", f"set it again as {HOSTS}?sslmode=verify-full")],
        ),
        (f"{URL}\n", [("has white space around it", "set it again without the end of the line")]),
        ("postgresql://u:p@[::1/app", [("is no URL", f"set it again as {HOSTS}?sslmode=verify-full")]),
        (
            "postgresql:///app?sslmode=require",
            [(f"has no {what}", f"write {HOSTS}") for what in ("host", "user", "password")],
        ),
        ("postgresql://u:p@db.glade.example?sslmode=require", [("has no database", f"write {HOSTS}")]),
        ("postgresql://u@db.glade.example/app?sslmode=require", [("has no password", f"write {HOSTS}")]),
        (
            "postgresql://u:p@db.glade.example/app",
            [("has no sslmode, so the connection may fall back to plain text", SSL)],
        ),
        *(
            (
                f"postgresql://u:p@db.glade.example/app?sslmode={mode}",
                [("has an sslmode that is not one of require, verify-ca, verify-full", SSL)],
            )
            for mode in ("disable", "allow", "prefer", "", "Require", "require&sslmode=disable")
        ),
        *(
            (
                f"postgresql://u:p@{host}/app?sslmode=require",
                [("names a host that is not reachable from outside", "use the provider's public host name")],
            )
            for host in ("localhost", "127.0.0.1", "10.0.0.5", "[::1]", "db", "db.internal", "169.254.169.254")
        ),
        (
            "postgresql://u:p@db.glade.example/app?sslmode=require&host=evil.example&user=root",
            [
                (
                    "has the parameter host and user, which overrides the URL itself",
                    "write it in the URL: postgresql://USER:PASSWORD@HOST:PORT/DATABASE",
                )
            ],
        ),
    ],
)
def test_url(url: str, found: list[tuple[str, str]]) -> None:
    assert inspect(url)[1] == found
    reported = problems(guests({"GLADE_DATABASE_URL": url}))
    assert [problem.message for problem in reported] == sorted(
        f"tenant 'glade': its URL {message}" for message, _ in found
    )
    for problem in reported:
        assert problem.path == "tenantry:external_secrets.GLADE_DATABASE_URL"
        assert problem.value is None
        assert problem.fix.endswith(f"; set it with {set_it('GLADE_DATABASE_URL')}")


@pytest.mark.parametrize(
    "url",
    [
        "postgres://glade:p%40ss@db.glade.example/app?sslmode=require",
        "postgresql://glade:x@db.glade.example/app?sslmode=verify-ca&channel_binding=require",
        "postgresql://glade:x@ep-cool-sun-1-pooler.eu-central-1.aws.neon.tech/neondb?sslmode=require",
        "postgresql://postgres.abc:x@aws-0-eu-central-1.pooler.supabase.com:6543/postgres?sslmode=require",
        "postgresql://glade:x@203.0.112.9/app?sslmode=require",
    ],
)
def test_sound_url(url: str) -> None:
    assert inspect(url)[1] == []


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://s3cretuser:hunter2@h1ddenhost/h1ddendb?sslmode=prefer&host=h1ddenhost",
        "hunter2",
        "postgresql://s3cretuser:hunter2@h1ddenhost:hunter2/h1ddendb",
        "s3cretuser://hunter2@[h1ddenhost/h1ddendb",
    ],
)
def test_nothing_of_a_url_is_ever_repeated(url: str) -> None:
    document = guests({"GLADE_DATABASE_URL": url})
    for encrypted in (True, False):
        text = str(ConfigError(problems(document, encrypted=encrypted)))
        assert not [part for part in ("hunter2", "s3cretuser", "h1ddenhost", "h1ddendb") if part in text]
    assert "h1ddenhost" not in repr(inspect(url))


HEATH: Final = {"id": "heath", "kind": "external"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (URL, URL),
        (URL, "postgres://heath:x@DB.glade.example./app?sslmode=require"),
        (URL, "postgres://heath:x@db.glade.example:6432/app?sslmode=require"),
        (
            "postgres://a:x@ep-cool-sun-1.eu-central-1.aws.neon.tech/neondb?sslmode=require",
            "postgres://b:x@EP-cool-sun-1.eu-central-1.aws.neon.tech./neondb?sslmode=require",
        ),
        (
            "postgres://postgres:x@db.abc.supabase.co/postgres?sslmode=require",
            "postgres://postgres.abc:x@aws-0-eu-central-1.pooler.supabase.com/postgres?sslmode=require",
        ),
    ],
)
def test_two_tenants_on_one_database_are_refused(one: str, other: str) -> None:
    document = guests({"GLADE_DATABASE_URL": one, "HEATH_DATABASE_URL": other}, HEATH)
    assert problems(document) == [
        Problem(
            path="tenantry:external_secrets.HEATH_DATABASE_URL",
            message="tenant 'heath': leads to the same host and database as GLADE_DATABASE_URL, "
            "so the two tenants would share their data",
            fix="give each tenant a database and a login of its own at the provider",
        )
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (URL, URL.replace("/app", "/other")),
        (URL, URL.replace("db.glade", "db.heath")),
        (
            "postgres://postgres.abc:x@aws-0-eu-central-1.pooler.supabase.com/postgres?sslmode=require",
            "postgres://postgres.def:x@aws-0-eu-central-1.pooler.supabase.com/postgres?sslmode=require",
        ),
    ],
)
def test_two_tenants_on_two_databases(one: str, other: str) -> None:
    assert problems(guests({"GLADE_DATABASE_URL": one, "HEATH_DATABASE_URL": other}, HEATH)) == []


@pytest.mark.parametrize(
    ("backup", "messages"),
    [
        (URL.replace("glade:", "glade_backup:"), []),
        (URL, ["tenant 'glade': has the login of GLADE_DATABASE_URL"]),
        (
            URL.replace("glade:", "glade_backup:").replace("/app", "/other"),
            ["tenant 'glade': leads to another database than GLADE_DATABASE_URL"],
        ),
    ],
)
def test_url_of_the_backups(backup: str, messages: list[str]) -> None:
    document = guests(
        {"GLADE_DATABASE_URL": URL, "GLADE_BACKUP_DATABASE_URL": backup},
        **{"tenants.0.external": {"separate_backup_login": True}},
    )
    assert [problem.message for problem in problems(document)] == messages


@pytest.mark.parametrize("values", ["hunter2", ["hunter2"], 3])
def test_values_of_another_form(values: object) -> None:
    assert problems(dev({"external_secrets": values})) == [
        Problem(
            path="tenantry:external_secrets",
            message="is no mapping of names to values",
            fix=f"set each with {set_it('NAME')}",
        )
    ]


@pytest.mark.parametrize("values", [{}, [], None])
def test_no_values_are_no_problem(values: object) -> None:
    assert problems(dev({"external_secrets": values})) == []


NEON: Final = "postgresql://glade:x@ep-cool-sun-1.eu-central-1.aws.neon.tech/neondb?sslmode=require"
SUPABASE: Final = "postgresql://postgres.abc:x@aws-0-eu-central-1.pooler.supabase.com:6543/postgres?sslmode=require"
SUPABASE_OWN: Final = "postgresql://postgres:x@db.abc.supabase.co:6543/postgres?sslmode=require"


@pytest.mark.parametrize("url", [NEON.replace("-1.eu", "-1-pooler.eu"), SUPABASE, SUPABASE_OWN])
def test_exports_do_not_go_through_a_pooler_of_transactions(url: str) -> None:
    assert problems(guests({"GLADE_DATABASE_URL": url})) == [
        Problem(
            path="tenantry:external_secrets.GLADE_DATABASE_URL",
            message="tenant 'glade': leads to a pooler that gives each transaction another session, and exports need "
            "one of their own: their settings would stay on the application's",
            fix="use the database's direct address (Neon: the host without -pooler; Supabase: port 5432), or keep this "
            "one for the application and set external.separate_backup_login: true",
        )
    ]


def test_a_pooled_and_a_direct_address_are_one_database() -> None:
    direct, pooled = (inspect(url)[0] for url in (NEON, NEON.replace("-1.eu", "-1-pooler.eu")))
    assert direct is not None
    assert pooled is not None
    assert (direct.database_key, direct.pooled) == (pooled.database_key, not pooled.pooled)


@pytest.mark.parametrize("url", [NEON, SUPABASE.replace("6543", "5432"), SUPABASE.replace(":6543", "")])
def test_a_session_of_its_own_is_good_for_exports(url: str) -> None:
    assert problems(guests({"GLADE_DATABASE_URL": url})) == []


@pytest.mark.parametrize(("pooled", "paths"), [(False, []), (True, ["GLADE_BACKUP_DATABASE_URL"])])
def test_the_application_may_use_a_pooler_when_exports_have_a_login_of_their_own(
    pooled: bool, paths: list[str]
) -> None:
    app = NEON.replace("-1.eu", "-1-pooler.eu")
    backup = (app if pooled else NEON).replace("glade:", "glade_backup:")
    document = guests(
        {"GLADE_DATABASE_URL": app, "GLADE_BACKUP_DATABASE_URL": backup},
        **{"tenants.0.external": {"separate_backup_login": True}},
    )
    assert [problem.path for problem in problems(document)] == [f"tenantry:external_secrets.{path}" for path in paths]


@pytest.mark.parametrize(("length", "refused"), [(31, True), (32, False)])
def test_the_secret_of_a_log_drain_is_as_long_as_vercel_asks(length: int, refused: bool) -> None:
    drain = {"endpoint": "https://logs.ledgerly.example/in", "secret": "SENTRY_DSN"}
    raw = web({"vercel.log_drain": drain, "external_secrets": {"SENTRY_DSN": "s" * length}})
    problem = Problem(
        path="tenantry:external_secrets.SENTRY_DSN",
        message="signs vercel.log_drain, and Vercel takes 32 characters or more",
        fix=f"agree on a longer value with the receiver of the logs, and set it with {set_it('SENTRY_DSN')}",
    )
    assert problems(raw) == [problem] * refused
