"""AWS on loopback: an S3 server that others wrote, and moto for the services that only answer questions."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

from jobs.sql.log import Log
from tests.jobs.server import ADMIN_PASSWORD, MASTER, Binaries, Postgres, free_ports, server_user

ACCOUNT = "123456789012"
REGION = "eu-central-1"
KEY = "tenantry-exports"
INSTANCE = "shared-a-1"
MASTER_SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:rds!db-master"
PLATFORM = ("tenantry_worker", "tenantry_migrator")
BACKUP = "tenantry_backup"
BACKUP_TOKEN = "backup-token-8Vw2Lk"
GUEST = "guest"
GUEST_PASSWORD = "gu/est'p@ss-Q7"

_ACCESS = ("AKIATESTTESTTEST", "test-secret-key-for-loopback")
_START = 60.0


@contextmanager
def s3_server() -> Iterator[str]:
    """Run SeaweedFS with a key store of its own: it checks signatures and checksums, and encrypts."""
    folder = Path(tempfile.mkdtemp(prefix="tenantry-s3-"))
    config = folder / "s3.json"
    credentials = {"accessKey": _ACCESS[0], "secretKey": _ACCESS[1]}
    config.write_text(
        json.dumps(
            {
                "identities": [{"name": "test", "credentials": [credentials], "actions": ["Admin", "Read", "Write"]}],
                "kms": {
                    "default_provider": "local",
                    "providers": {"local": {"type": "local", "enableOnDemandCreate": True}},
                },
            }
        ),
        encoding="utf-8",
    )
    port, *rest = free_ports(8)
    names = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc",
             "s3.port.grpc")  # fmt: skip
    options = {
        "dir": folder,
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "master.telemetry": "false",
        "master.volumeSizeLimitMB": 256,
        "volume.max": 4_000,  # each bucket takes a few
        "s3.port": port,
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.config": config,
        **dict(zip(names, rest, strict=True)),
    }
    program = Path(sys.executable).parent / "weed"
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [str(program), "server", "-s3", *(f"-{name}={value}" for name, value in options.items())],
            stdout=log,
            stderr=log,
            cwd=folder,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        _await(address, folder / "log")
        yield address
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(folder)


@contextmanager
def moto_server() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def environment(s3: str, moto: str) -> dict[str, str]:
    """What makes the SDK talk to the two, as its own variables."""
    return {
        "AWS_ACCESS_KEY_ID": _ACCESS[0],
        "AWS_SECRET_ACCESS_KEY": _ACCESS[1],
        "AWS_ENDPOINT_URL": moto,
        "AWS_ENDPOINT_URL_S3": s3,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/nonexistent",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
    }


def programs(binaries: Binaries, folder: Path) -> str:
    """A PATH with one release's programs, of which the server's run as somebody else when the tests run as root."""
    folder.mkdir()
    libraries = "" if binaries.libraries is None else f"export LD_LIBRARY_PATH={binaries.libraries}\n"
    for name in ("pg_dump", "pg_restore", "initdb", "postgres"):
        prefix = ""
        if name in {"initdb", "postgres"} and os.geteuid() == 0:
            user = server_user()
            who = f"{user.pw_uid}:{user.pw_gid}"
            prefix = f"setpriv --reuid={user.pw_uid} --regid={user.pw_gid} --clear-groups "
            libraries += (
                f'for a; do case $a in --pgdata=*) chown -R {who} "$(dirname "${{a#--pgdata=}}")";; esac; done\n'
            )
        script = folder / name
        script.write_text(f'#!/bin/sh\n{libraries}exec {prefix}{binaries.folder / name} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


class Account:
    """An AWS account with an RDS instance and its registry; what the program does, as methods."""

    def __init__(self, server: Postgres, path: str) -> None:
        self.server = server
        self.path = path
        run = uuid.uuid4().hex[:10]
        self.registry, self.exports = f"registry-{run}", f"exports-{run}"
        self.s3: Any = boto3.client("s3", region_name=REGION)
        self.secrets: Any = boto3.client("secretsmanager", region_name=REGION)
        for bucket in (self.registry, self.exports):
            self.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
            self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY}}
        self.s3.put_bucket_encryption(Bucket=self.exports, ServerSideEncryptionConfiguration={"Rules": [rule]})
        self.master = self.secret(f"master-{run}", json.dumps({"username": MASTER, "password": ADMIN_PASSWORD}))
        self.names: list[str] = []
        self.declare_instance(INSTANCE)

    def secret(self, name: str, value: str | None = None) -> str:
        given = {} if value is None else {"SecretString": value}
        return str(self.secrets.create_secret(Name=name, **given)["ARN"])

    def put(self, name: str, content: object) -> None:
        self.s3.put_object(Bucket=self.registry, Key=name, Body=json.dumps(content).encode())

    def get(self, name: str, *, bucket: str | None = None) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self.s3.get_object(Bucket=bucket or self.registry, Key=name)["Body"].read())

    def declare_instance(self, key: str, **changes: object) -> None:
        declared = {
            "schema_version": 1,
            "key": key,
            "kind": "rds",
            "name": f"acme-dev-pool-{key}",
            "account_id": ACCOUNT,
            "arn": f"arn:aws:rds:{REGION}:{ACCOUNT}:db:acme-dev-pool-{key}",
            "host": "localhost",
            "port": self.server.port,
            "server_ca_pem": None,
            "region": REGION,
            "admin_secret": self.master,
            "admin_user": MASTER,
            "platform_users": list(PLATFORM),
        }
        self.put(f"instances/{key}.json", declared | changes)

    def declare(self, tenant: str, **changes: object) -> None:
        """Write a tenant's registry object and, when it is new, its secrets."""
        stem = "tn_" + tenant.replace("-", "_")
        rotation = changes.get("rotation", 1)
        assert isinstance(rotation, int)
        active = f"{stem}_{'a' if rotation % 2 else 'b'}"
        declared = {
            "schema_version": 1,
            "id": tenant,
            "kind": "rds",
            "state": "active",
            "instance": INSTANCE,
            "database": stem,
            "owner_role": f"{stem}_owner",
            "logins": [f"{stem}_a", f"{stem}_b"],
            "active_login": active,
            "rotation": rotation,
            "credential_secret": f"tenant-{tenant}-credential",
            "url_secret": f"tenant-{tenant}-database-url",
            "connection_limit": 4,
            "statement_timeout_ms": 1500,
            "isolated": False,
            "status": f"status/{tenant}.json",
            "final_export": f"final/{tenant}.json" if changes.get("state") == "offboarding" else None,
        }
        self.put(f"tenants/{tenant}.json", declared | changes)
        credential = {"login": active, "password": self.password(tenant, rotation), "rotation": rotation}
        if tenant not in self.names:
            self.names.append(tenant)
            self.secret(f"tenant-{tenant}-credential", json.dumps(credential))
            self.secret(f"tenant-{tenant}-database-url")
        else:
            self.secrets.put_secret_value(SecretId=f"tenant-{tenant}-credential", SecretString=json.dumps(credential))

    def declare_guest(self, tenant: str, url: str | None = None, **changes: object) -> None:
        """Write an external tenant whose database is at somebody else's, here on the same server."""
        declared = {
            "schema_version": 1,
            "id": tenant,
            "kind": "external",
            "state": "active",
            "database": tenant,
            "provider": "neon",
            "url_secret": f"tenant-{tenant}-database-url",
            "backup_url_secret": None,
            "not_enforced": ["isolation"],
            "isolated": False,
            "status": f"status/{tenant}.json",
            "final_export": f"final/{tenant}.json" if changes.get("state") == "offboarding" else None,
        }
        self.put(f"tenants/{tenant}.json", declared | changes)
        if tenant not in self.names:
            self.names.append(tenant)
            self.secret(f"tenant-{tenant}-database-url", url or self.guest_url(tenant))

    def guest_url(self, database: str, mode: str = "verify-full") -> str:
        password = GUEST_PASSWORD.replace("/", "%2F").replace("@", "%40").replace("'", "%27")
        where = f"{GUEST}:{password}@localhost:{self.server.port}/{database}"
        return f"postgresql://{where}?sslmode={mode}&sslrootcert={self.server.ca_file}"

    def make_guest(self, database: str, statements: str) -> None:
        """A database as a provider makes one: its owner is no superuser."""
        with self.server.bootstrap() as session:
            if not session.execute("SELECT FROM pg_roles WHERE rolname = %s", (GUEST,)).fetchall():
                session.execute(
                    f"CREATE ROLE {GUEST} LOGIN PASSWORD '{GUEST_PASSWORD.replace(chr(39), chr(39) * 2)}'".encode()
                )
            session.execute(f'CREATE DATABASE "{database}" OWNER {GUEST}'.encode())
        with self.server.session(GUEST, GUEST_PASSWORD, database) as session:
            session.execute(statements.encode())

    @staticmethod
    def password(tenant: str, rotation: int) -> str:
        return f"p@ss/{tenant}'\"%\\{rotation}:" + hashlib.sha256(f"{tenant}{rotation}".encode()).hexdigest()[:16]

    def variables(self, **changes: str) -> dict[str, str]:
        return {
            "TENANTRY_CLOUD": "aws",
            "TENANTRY_REGISTRY": self.registry,
            "TENANTRY_EXPORTS": self.exports,
            "TENANTRY_REGION": REGION,
            "TENANTRY_RDS_CA": str(self.server.ca_file),
            "LOCK_WAIT_S": "20",
            "PATH": self.path,
        } | changes

    def run(self, main: Callable[..., int], *arguments: object, **changes: str) -> tuple[int, list[dict[str, Any]]]:
        """Run a job's command; return its exit code and its log lines, in which there is no secret."""
        stream = io.StringIO()
        code = main(*arguments, self.variables(**changes), Log(stream))
        text = stream.getvalue()
        for value in self.secret_values():
            assert value not in text
        return code, [json.loads(line) for line in text.splitlines()]

    def secret_values(self) -> list[str]:
        values = [ADMIN_PASSWORD, BACKUP_TOKEN, GUEST_PASSWORD, GUEST_PASSWORD.replace("/", "%2F")]
        return values + [self.password(tenant, rotation) for tenant in self.names for rotation in (1, 2)]

    def let_backup_in(self) -> None:
        """Give the backup login the password that stands for its token; the server knows nothing of IAM."""
        with self.server.bootstrap() as session:
            session.execute(f"ALTER ROLE {BACKUP} PASSWORD '{BACKUP_TOKEN}'".encode())

    def versions(self, tenant: str) -> list[str]:
        """Ids of the versions of its DSN that are current or previous."""
        found = self.secrets.list_secret_version_ids(SecretId=f"tenant-{tenant}-database-url")["Versions"]
        return sorted(version["VersionId"] for version in found)

    def url(self, tenant: str) -> str:
        return str(self.secrets.get_secret_value(SecretId=f"tenant-{tenant}-database-url")["SecretString"])

    def objects(self, prefix: str = "") -> list[str]:
        found = self.s3.list_objects_v2(Bucket=self.exports, Prefix=prefix)
        return sorted(item["Key"] for item in found.get("Contents", []))

    def uploads(self) -> list[str]:
        """Multipart uploads that were begun and neither completed nor given up."""
        return [upload["Key"] for upload in self.s3.list_multipart_uploads(Bucket=self.exports).get("Uploads", [])]

    def forget(self) -> None:
        for secret in self.secrets.list_secrets()["SecretList"]:
            self.secrets.delete_secret(SecretId=secret["ARN"], ForceDeleteWithoutRecovery=True)


def of(lines: list[dict[str, Any]], event: str, *fields: str) -> list[tuple[Any, ...]]:
    return [tuple(line[name] for name in fields) for line in lines if line["event"] == event]


def _await(address: str, log: Path) -> None:
    deadline = time.monotonic() + _START
    while True:
        try:
            urllib.request.urlopen(address, timeout=1).close()
        except urllib.error.HTTPError as answer:  # it asks for a signature, so it is there
            answer.close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise RuntimeError(log.read_text(encoding="utf-8", errors="replace")[-2000:]) from None
            time.sleep(0.1)
        else:
            return
