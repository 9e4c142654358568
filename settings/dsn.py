"""Looking into the URL of an external database without ever repeating what stands in it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

_SCHEMES: Final = frozenset({"postgres", "postgresql"})
# Anything weaker may fall back to plain text (PostgreSQL manual, SSL support).
_SSL_MODES: Final = ("require", "verify-ca", "verify-full")
# Parameters with which libpq would connect somewhere else, or as somebody else, than the URL itself says.
_OVERRIDES: Final = ("dbname", "host", "hostaddr", "passfile", "password", "port", "service", "user")
_PRIVATE_SUFFIXES: Final = (".internal", ".invalid", ".local", ".localhost")
# Poolers are a second address of the same database: Neon marks the host, Supabase names the project in the user.
_NEON_POOLER: Final = "-pooler"
_NEON: Final = ".neon.tech"
_SUPABASE: Final = ".supabase.co"
_SUPABASE_POOLER: Final = ".pooler.supabase.com"
_SUPABASE_TRANSACTION_PORT: Final = 6543
"""Where Supabase's poolers give each transaction another session; on 5432 theirs keeps one for each client."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a URL leads: enough to tell whether two lead to the same database. It is never printed."""

    host: str
    database: str
    login: str
    pooled: bool
    """Whether each transaction gets another session, as far as the address tells."""

    def __repr__(self) -> str:
        return "Target(...)"

    @property
    def database_key(self) -> tuple[str, str]:
        """Host and database: the port does not count, for poolers have one of their own."""
        return self.host, self.database


def inspect(url: str) -> tuple[Target | None, list[tuple[str, str]]]:
    """What is wrong with a URL, as message and fix; the target is None when it cannot be read.

    No message holds any part of the URL.
    """
    if url != url.strip():
        return None, [("has white space around it", "set it again without the end of the line")]
    try:
        parts = urlsplit(url)
        host, user, password = parts.hostname or "", parts.username or "", parts.password or ""
        _ = parts.port  # raises when it is no number
    except ValueError:
        return None, [("is no URL", "set it again as postgresql://USER:PASSWORD@HOST/DATABASE?sslmode=verify-full")]
    if parts.scheme not in _SCHEMES:
        return None, [("is no URL of PostgreSQL", "begin it with postgresql://")]
    database = unquote(parts.path.removeprefix("/"))
    missing = [
        name
        for name, value in (("host", host), ("user", user), ("password", password), ("database", database))
        if not value
    ]
    problems = [(f"has no {name}", "write postgresql://USER:PASSWORD@HOST/DATABASE") for name in missing]
    if host and not _is_public(host):
        problems.append(("names a host that is not reachable from outside", "use the provider's public host name"))
    problems += _parameters(parts)
    if missing:
        return None, problems
    return _target(host, parts.port, database, unquote(user)), problems


def _parameters(parts: SplitResult) -> list[tuple[str, str]]:
    parameters = parse_qsl(parts.query, keep_blank_values=True)
    modes = [value for name, value in parameters if name == "sslmode"]
    problems = []
    if not modes:
        problems.append(("has no sslmode, so the connection may fall back to plain text", _ssl_fix()))
    elif len(modes) > 1 or modes[0] not in _SSL_MODES:
        problems.append((f"has an sslmode that is not one of {', '.join(_SSL_MODES)}", _ssl_fix()))
    overrides = sorted({name for name, _ in parameters} & set(_OVERRIDES))
    if overrides:
        problems.append(
            (
                f"has the parameter {' and '.join(overrides)}, which overrides the URL itself",
                "write it in the URL: postgresql://USER:PASSWORD@HOST:PORT/DATABASE",
            )
        )
    return problems


def _ssl_fix() -> str:
    return "end it with ?sslmode=verify-full, or ?sslmode=require where the provider has no public certificate"


def _is_public(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host.strip(".") and not host.endswith(_PRIVATE_SUFFIXES)


def _target(host: str, port: int | None, database: str, user: str) -> Target:
    """The target by its plain host, so that a pooled and a direct address of one database are the same."""
    host = host.lower().rstrip(".")
    pooled = False
    if host.endswith(_NEON):
        endpoint, dot, rest = host.partition(".")
        pooled = endpoint.endswith(_NEON_POOLER)
        host = endpoint.removesuffix(_NEON_POOLER) + dot + rest
    if host.endswith(_SUPABASE):
        pooled = port == _SUPABASE_TRANSACTION_PORT
    if host.endswith(_SUPABASE_POOLER):
        # every project of a region has the same pooler and a database called postgres
        pooled = port == _SUPABASE_TRANSACTION_PORT
        host = f"db.{user.rpartition('.')[2]}.supabase.co"
        user = user.rpartition(".")[0] or user
    return Target(host=host, database=database, login=user, pooled=pooled)
