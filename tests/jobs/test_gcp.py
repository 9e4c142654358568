"""The cloud's stores against a web server that answers as Google's APIs do."""

import base64
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import google.auth
import pytest
from google.auth.credentials import AnonymousCredentials

from jobs.sql import gcp
from jobs.sql.errors import JobError

SECRET = "projects/p/secrets/tenant-acme-credential"


class Cloud:
    """Objects and secret versions, and how often the next calls are to fail."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.versions: dict[str, list[str]] = {SECRET: []}
        self.failures: list[int] = []
        self.calls: list[str] = []

    def answer(self, method: str, url: str, body: bytes) -> tuple[int, bytes]:
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        self.calls.append(f"{method} {parts.path}")
        if self.failures:
            return self.failures.pop(0), b'{"error": {"message": "try later"}}'
        if parts.path == "/storage/v1/b/registry/o":
            return 200, json.dumps(self._page(query["prefix"][0], query.get("pageToken", [""])[0])).encode()
        if parts.path.startswith("/storage/v1/b/registry/o/"):
            name = parts.path.removeprefix("/storage/v1/b/registry/o/").replace("%2F", "/")
            if method == "DELETE":
                return (204, b"") if self.objects.pop(name, None) else (404, b"No such object")
            assert query == {"alt": ["media"]}
            return (200, self.objects[name]) if name in self.objects else (404, b"No such object")
        if method == "PUT":
            self.objects[parts.path.removeprefix("/registry/")] = body
            return 200, b""
        return self._secret(parts.path.removeprefix("/v1/"), body)

    def _secret(self, path: str, body: bytes) -> tuple[int, bytes]:
        name, _, action = path.rpartition(":")
        if action == "addVersion" and name in self.versions:
            self.versions[name].append(base64.b64decode(json.loads(body)["payload"]["data"]).decode())
            return 200, b"{}"
        versions = self.versions.get(name.removesuffix("/versions/latest"), [])
        if action == "access" and versions:
            return 200, json.dumps({"payload": {"data": base64.b64encode(versions[-1].encode()).decode()}}).encode()
        return 404, b'{"error": {"message": "not found"}}'

    def _page(self, prefix: str, token: str) -> dict[str, Any]:
        names = sorted(name for name in self.objects if name.startswith(prefix))
        start = int(token or 0)
        page: dict[str, Any] = {"items": [{"name": name} for name in names[start : start + 2]]}
        if start + 2 < len(names):
            page["nextPageToken"] = str(start + 2)
        return page if names else {}


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    world = Cloud()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, content = world.answer(self.command, self.path, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815 - the base class's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(gcp, "STORAGE", address)
    monkeypatch.setattr(gcp, "_SECRETS", f"{address}/v1")
    monkeypatch.setattr(gcp, "_PREFIX", "http://")
    monkeypatch.setattr(gcp, "_BACKOFF", 0.0)
    monkeypatch.setattr(google.auth, "default", lambda **_: (AnonymousCredentials(), None))  # type: ignore[no-untyped-call]
    yield world
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.usefixtures("cloud")
def test_objects_are_listed_over_pages_read_and_written() -> None:
    objects = gcp.BucketObjects(gcp.Session(), "registry")
    assert objects.names("tenants/") == []
    for name in ("a", "b", "c", "d", "e"):
        objects.write(f"tenants/{name}.json", name.encode())
    objects.write("instances/x.json", b"x")
    assert objects.names("tenants/") == [f"tenants/{name}.json" for name in "abcde"]
    assert objects.read("tenants/c.json") == b"c"
    assert objects.read("tenants/nobody.json") is None


def test_an_object_is_deleted_once_and_none_is_no_error(cloud: Cloud) -> None:
    objects = gcp.BucketObjects(gcp.Session(), "registry")
    objects.write("status/acme.json", b"{}")
    cloud.failures = [503]
    for _ in range(2):
        objects.delete("status/acme.json")
    assert cloud.objects == {}
    cloud.failures = [403]
    with pytest.raises(JobError, match=r"cannot delete gs://registry/status/acme\.json: HTTP 403: try later"):
        objects.delete("status/acme.json")


def test_secrets(cloud: Cloud) -> None:
    secrets = gcp.ManagedSecrets(gcp.Session())
    assert secrets.latest(SECRET) is None
    secrets.add(SECRET, "first ü")
    secrets.add(SECRET, "second")
    assert secrets.latest(SECRET) == "second"
    assert cloud.versions[SECRET] == ["first ü", "second"]
    with pytest.raises(JobError, match=r"cannot add a version to projects/p/secrets/nobody: HTTP 404: not found"):
        secrets.add("projects/p/secrets/nobody", "x")


def test_a_disabled_version_counts_as_none_and_a_refusal_does_not(cloud: Cloud) -> None:
    secrets = gcp.ManagedSecrets(gcp.Session())
    cloud.failures = [400]
    assert secrets.latest(SECRET) is None
    cloud.failures = [403]
    with pytest.raises(JobError, match=f"cannot read {SECRET}: HTTP 403: try later"):
        secrets.latest(SECRET)


def test_what_is_safe_to_repeat_is_repeated(cloud: Cloud) -> None:
    objects = gcp.BucketObjects(gcp.Session(), "registry")
    cloud.failures = [503, 429]
    objects.write("status/acme.json", b"{}")
    assert cloud.calls == ["PUT /registry/status/acme.json"] * 3
    cloud.failures = [500] * 5
    with pytest.raises(JobError, match=r"cannot read gs://registry/status/acme\.json: HTTP 500: try later"):
        objects.read("status/acme.json")
    assert len(cloud.calls) == 8


def test_a_version_is_not_added_twice(cloud: Cloud) -> None:
    cloud.failures = [503]
    with pytest.raises(JobError, match="HTTP 503"):
        gcp.ManagedSecrets(gcp.Session()).add(SECRET, "once")
    assert len(cloud.calls) == 1
