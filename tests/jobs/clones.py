"""A second server that is a copy of the first at one moment, roles and passwords included, as a cloud makes one."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

from tests.jobs.server import Postgres, _give

HOST = "127.0.0.2"


@dataclass(frozen=True)
class Clone:
    """Where the copy listens, on its source's port, and the CA of its own."""

    host: str
    ca_pem: str


@contextmanager
def cloned(server: Postgres, folder: Path) -> Iterator[Clone]:
    """Copy the data while the server runs, and start a server on the copy."""
    folder.mkdir()
    folder.chmod(0o755)
    data, sockets = folder / "data", folder / "socket"
    sockets.mkdir()
    with server.bootstrap() as session:
        session.execute("SELECT pg_backup_start('clone', true)")
        shutil.copytree(server.folder, data, ignore=shutil.ignore_patterns("postmaster.*", "server.log"))
        (label,) = session.execute("SELECT labelfile FROM pg_backup_stop(false)").fetchall()[0]
    shutil.rmtree(data / "pg_wal")
    shutil.copytree(server.folder / "pg_wal", data / "pg_wal")
    (data / "backup_label").write_text(str(label), encoding="utf-8")
    authority = trustme.CA()
    certificate = authority.issue_cert(HOST)
    certificate.private_key_pem.write_to_path(str(data / "server.key"))
    (data / "server.crt").write_bytes(certificate.cert_chain_pems[0].bytes())
    (data / "pg_hba.conf").write_text("hostssl all all 127.0.0.0/8 scram-sha-256\n", encoding="utf-8")
    data.chmod(0o700)
    for path in (sockets, data, *data.rglob("*")):
        _give(path)
    (data / "server.key").chmod(0o600)
    settings = f"-c listen_addresses={HOST} -c unix_socket_directories={sockets}"
    arguments = ("-D", str(data), "-l", str(data / "server.log"), "-w", "-t", "60", "-o", settings)
    server.binaries.run("pg_ctl", *arguments, "start")
    try:
        yield Clone(host=HOST, ca_pem=authority.cert_pem.bytes().decode("ascii"))
    finally:
        server.binaries.run("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
