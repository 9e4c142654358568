"""Secrets issued elsewhere: which are missing, and whether the URLs of guest databases are sound. No value is shown."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from settings.dsn import Target, inspect
from settings.errors import Problem
from settings.explain import NAMESPACE
from settings.load import EXTERNAL_SECRETS
from settings.plan import ExternalPlan

_PATH: Final = f"{NAMESPACE}:{EXTERNAL_SECRETS}"
_LEAST_DRAIN_SECRET: Final = 32  # characters (vercel_log_drain, secret)


def set_command(name: str) -> str:
    """The command that sets a value, for a fix."""
    return f"`pulumi config set --secret --path '{_PATH}.{name}'`"


def check_external(
    raw: Mapping[str, Any], guests: Mapping[str, ExternalPlan], *, encrypted: bool, complete: bool
) -> list[Problem]:
    """Compare the names that the settings need with the keys of `external_secrets`, and look into the URLs.

    Args:
        raw: raw configuration, keys without their namespace; values that are still encrypted are mappings, not text.
        guests: tenant id → its guest database.
        encrypted: whether the stack file holds the values encrypted.
        complete: whether `guests` are all; if not, the URL of an unknown tenant is no mistake.
    """
    section = raw.get("secrets")
    listed = section.get("external") or [] if isinstance(section, dict) else []
    values = raw.get(EXTERNAL_SECRETS) or {}
    if not isinstance(values, dict):
        return [
            Problem(path=_PATH, message="is no mapping of names to values", fix=f"set each with {set_command('NAME')}")
        ]
    if not isinstance(listed, list):
        return []  # reported as a wrong type
    application, urls = {str(name) for name in listed}, _urls(guests)
    problems = _missing(application, urls, values)
    unused = {str(name) for name in values} - application - urls.keys()
    problems += [
        Problem(
            path=f"{_PATH}.{name}",
            message="is set but nothing uses it",
            fix="add the name to secrets.external, or remove the value",
        )
        for name in sorted(unused)
        if complete or not name.endswith("_DATABASE_URL")
    ]
    if values and not encrypted:
        problems.append(
            Problem(
                path=_PATH,
                message="holds values in plain text",
                fix=f"remove them, rotate them at their issuer, and set each with {set_command('NAME')}",
            )
        )
    return [*problems, *_check_drain_secret(raw.get("vercel"), values), *_check_urls(guests, values)]


def _urls(guests: Mapping[str, ExternalPlan]) -> dict[str, str]:
    """Name of each URL's secret → whose it is."""
    owners = {}
    for tenant, guest in guests.items():
        owners[guest.dsn] = tenant
        if guest.backup_dsn is not None:
            owners[guest.backup_dsn] = tenant
    return owners


def _missing(application: Collection[str], urls: Mapping[str, str], values: Mapping[str, Any]) -> list[Problem]:
    problems = [
        Problem(
            path=f"{_PATH}.{name}",
            message=f"is missing, and secrets.external lists {name}",
            fix=f"set its value with {set_command(name)}, or take the name off the list",
        )
        for name in sorted(application)
        if name not in urls and not values.get(name)
    ]
    problems += [
        Problem(
            path=f"{_PATH}.{name}",
            message=f"is missing, and tenant {tenant!r} is of kind external: it holds the URL of its database",
            fix=f"set its value with {set_command(name)}",
        )
        for name, tenant in sorted(urls.items())
        if not values.get(name)
    ]
    return problems


def _check_drain_secret(vercel: object, values: Mapping[str, Any]) -> list[Problem]:
    """The secret that signs Vercel's logs, whose form alone Vercel minds."""
    drain = vercel.get("log_drain") if isinstance(vercel, dict) else None
    name = drain.get("secret") if isinstance(drain, dict) else None
    value = values.get(name) if isinstance(name, str) else None
    if not isinstance(value, str) or not value or len(value) >= _LEAST_DRAIN_SECRET:
        return []
    return [
        Problem(
            path=f"{_PATH}.{name}",
            message=f"signs vercel.log_drain, and Vercel takes {_LEAST_DRAIN_SECRET} characters or more",
            fix=f"agree on a longer value with the receiver of the logs, and set it with {set_command(str(name))}",
        )
    ]


def _check_urls(guests: Mapping[str, ExternalPlan], values: Mapping[str, Any]) -> list[Problem]:
    problems: list[Problem] = []
    first: dict[tuple[str, str], str] = {}
    for tenant, guest in guests.items():
        target = _inspected(guest.dsn, tenant, values, problems)
        if target is not None:
            twin = first.setdefault(target.database_key, guest.dsn)
            if twin != guest.dsn:
                problems.append(
                    _problem(
                        guest.dsn,
                        tenant,
                        f"leads to the same host and database as {twin}, so the two tenants would share their data",
                        "give each tenant a database and a login of its own at the provider",
                    )
                )
        if guest.backup_dsn is None:
            problems += _pooled(guest.dsn, tenant, target)
            continue
        backup = _inspected(guest.backup_dsn, tenant, values, problems)
        problems += _pooled(guest.backup_dsn, tenant, backup)
        if target is not None and backup is not None:
            problems += _compared(guest.backup_dsn, tenant, backup, guest.dsn, target)
    return problems


def _pooled(name: str, tenant: str, target: Target | None) -> list[Problem]:
    """A dump's settings, an empty search_path above all, would stay on sessions that the application gets next."""
    if target is None or not target.pooled:
        return []
    return [
        _problem(
            name,
            tenant,
            "leads to a pooler that gives each transaction another session, and exports need one of their own: their "
            "settings would stay on the application's",
            "use the database's direct address (Neon: the host without -pooler; Supabase: port 5432), or keep this "
            "one for the application and set external.separate_backup_login: true",
        )
    ]


def _compared(name: str, tenant: str, backup: Target, dsn: str, target: Target) -> list[Problem]:
    if backup.database_key != target.database_key:
        message, fix = f"leads to another database than {dsn}", "use the URL of the same database, with its own login"
    elif backup.login == target.login:
        message, fix = (
            f"has the login of {dsn}",
            "create a login that may only read, or set separate_backup_login: false",
        )
    else:
        return []
    return [_problem(name, tenant, message, fix)]


def _inspected(name: str, tenant: str, values: Mapping[str, Any], problems: list[Problem]) -> Target | None:
    value = values.get(name)
    if not isinstance(value, str) or not value:  # still encrypted, or missing, which is reported as such
        return None
    target, found = inspect(value)
    problems += [
        _problem(name, tenant, f"its URL {message}", f"{fix}; set it with {set_command(name)}")
        for message, fix in found
    ]
    return target


def _problem(name: str, tenant: str, message: str, fix: str) -> Problem:
    return Problem(path=f"{_PATH}.{name}", message=f"tenant {tenant!r}: {message}", fix=fix)
