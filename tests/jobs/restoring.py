"""What the tests of restores have in common: exports of a service's own, a run of the command, a look at the result."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

from psycopg import sql

from jobs.restore import main
from jobs.sql.log import Log
from tests.jobs.conftest import INSTANCE, Session, World

END = "\n-- PostgreSQL database dump complete\n"
HEAD = """
SET statement_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
"""


class Shelf:
    """A world whose instance's databases are exported to a folder."""

    def __init__(self, world: World, root: Path, path: str) -> None:
        self.world = world
        self.exports = root / "exports"
        self.exports.mkdir(exist_ok=True)
        self.path = path

    def put(self, tenant: str, text: str, *, instance: str = INSTANCE, name: str = "2026-11-22T020000Z-e") -> str:
        """Store a plain dump as Cloud SQL does; return its URI."""
        database = "tn_" + tenant.replace("-", "_")
        path = self.exports / "sql" / instance / database / f"{name}.sql.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text.encode()))
        return f"file://{path}"

    def export(self, tenant: str, *, owners: bool = True, **given: str) -> str:
        """Export a tenant's database as the service does, with owners and grants in it."""
        return self.put(tenant, self.dump("tn_" + tenant.replace("-", "_"), owners=owners), **given)

    def dump(self, database: str, *, owners: bool = True) -> str:
        server = self.world.server
        return server.binaries.run(
            "pg_dump",
            *([] if owners else ["--no-owner", "--no-acl"]),
            "-d",
            f"host={server.host} port={server.port} user={server.superuser} dbname={database} sslmode=verify-ca "
            f"sslrootcert={server.ca_file}",
            PGPASSWORD="bootstrap-Jd92mX",
        )

    def run(self, *arguments: str, **changes: str) -> tuple[int, dict[str, Any]]:
        """Run the command; return its exit code and its last line, in which no secret is."""
        stream = io.StringIO()
        variables = self.world.variables(EXPORTS_BUCKET=f"file://{self.exports}", PATH=self.path, **changes)
        code = main(arguments, variables, Log(stream))
        text = stream.getvalue()
        for value in self.world.secret_values():
            assert value not in text
        last: dict[str, Any] = json.loads(text.splitlines()[-1])
        return code, last

    def restore(self, tenant: str, uri: str, *arguments: str, **changes: str) -> tuple[int, dict[str, Any]]:
        return self.run("restore", "--instance", INSTANCE, "--tenant", tenant, "--export", uri, *arguments, **changes)

    def databases(self) -> dict[str, str]:
        """Names that tenants' databases have, with their owners."""
        with self.world.server.bootstrap() as session:
            found = session.execute(
                "SELECT datname, pg_get_userbyid(datdba) FROM pg_database WHERE datname ~ 'tn_' ORDER BY 1"
            ).fetchall()
        return {str(name): str(owner) for name, owner in found}

    def roles(self) -> list[tuple[object, ...]]:
        """Everything about roles that an attack could change, but passwords and their dates."""
        with self.world.server.bootstrap() as session:
            return [
                *session.execute(
                    "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolcanlogin, rolbypassrls FROM pg_roles "
                    "ORDER BY 1"
                ).fetchall(),
                *session.execute(
                    "SELECT roleid::regrole::text, member::regrole::text, admin_option FROM pg_auth_members "
                    "ORDER BY 1, 2"
                ).fetchall(),
                *session.execute(
                    "SELECT setrole::regrole::text, setconfig FROM pg_db_role_setting ORDER BY 1"
                ).fetchall(),
            ]


def owners(session: Session) -> set[str]:
    """Who owns anything in a database, extensions and the system's own apart."""
    found = session.execute(
        """
        SELECT DISTINCT pg_get_userbyid(d.refobjid) FROM pg_shdepend d
        WHERE d.deptype = 'o' AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
        """
    ).fetchall()
    return {str(name) for (name,) in found}


def one(session: Session, query: str) -> Any:  # noqa: ANN401 - whatever it is
    row = session.execute(sql.SQL(query)).fetchone()
    assert row is not None
    return row[0] if len(row) == 1 else row
