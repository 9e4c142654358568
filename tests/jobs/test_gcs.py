"""Uploads to Cloud Storage against a server that speaks its resumable protocol, and misbehaves when told to."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from urllib.parse import parse_qs, unquote, urlsplit

import google.auth
import pytest
from google.auth.credentials import AnonymousCredentials

from jobs.dumps import gcs
from jobs.dumps.gcs import CloudStorageDumps
from jobs.sql import gcp
from jobs.sql.errors import JobError

CHUNK = 512 << 10
KEY = "projects/p/locations/l/keyRings/r/cryptoKeys/exports"


class Bucket:
    """Objects, one upload at a time, and what goes wrong next.

    Attributes:
        statuses: of the next calls that carry bytes, before they are looked at.
        keeps: how many bytes of the next chunks are kept; without an entry all are.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.pending: tuple[str, bytearray] | None = None
        self.statuses: list[int] = []
        self.keeps: list[int] = []
        self.ranges: list[str] = []
        self.key: str | None = KEY
        self.damage = False
        self.cut_downloads = False

    def metadata(self, name: str) -> dict[str, str]:
        content = self.objects[name]
        found = {
            "name": name,
            "size": str(len(content)),
            "generation": "17",
            "md5Hash": base64.b64encode(hashlib.md5(content).digest()).decode(),
        }
        return found if self.key is None else {**found, "kmsKeyName": self.key}

    def answer(self, method: str, url: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(url)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if method == "POST":
            return self._start(query, body)
        if method == "DELETE":
            self.pending = None
            return 499, {}, b""
        if method == "PUT":
            return self._put(headers["Content-Range"], body)
        name = unquote(parts.path.rpartition("/o/")[2])
        if name not in self.objects:
            return 404, {}, b'{"error": {"message": "No such object"}}'
        return 200, {}, self.objects[name]

    def _start(self, query: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        assert query["ifGenerationMatch"] == "0"
        if query["name"] in self.objects:
            return 412, {}, b'{"error": {"message": "conditionNotMet"}}'
        if query["uploadType"] == "media":
            self.objects[query["name"]] = body
            return 200, {}, b"{}"
        self.pending = (query["name"], bytearray())
        return 200, {"Location": "/session"}, b""

    def _put(self, span: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        self.ranges.append(span)
        if self.statuses:
            return self.statuses.pop(0), {}, b'{"error": {"message": "try later"}}'
        assert self.pending is not None
        name, content = self.pending
        found = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", span)
        assert found is not None
        if found[1] is not None:
            assert int(found[1]) == len(content)
            assert int(found[2]) - int(found[1]) + 1 == len(body)
        kept = body[: self.keeps.pop(0)] if self.keeps else body
        content += kept
        if found[3] != "*" and len(content) == int(found[3]):
            self.objects[name] = bytes(content[:-1]) + b"?" if self.damage else bytes(content)
            self.pending = None
            return 200, {}, json.dumps(self.metadata(name)).encode()
        return 308, ({"Range": f"bytes=0-{len(content) - 1}"} if content else {}), b""


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    world = Bucket()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, content = world.answer(self.command, self.path, dict(self.headers), body)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, f"{address}{value}" if name == "Location" else value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(
                content[:-1] if world.cut_downloads and (self.command, status) == ("GET", 200) else content
            )

        do_GET = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815 - the base class's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(gcp, "STORAGE", address)
    monkeypatch.setattr(gcp, "_PREFIX", "http://")
    monkeypatch.setattr(gcp, "_BACKOFF", 0.0)
    monkeypatch.setattr(gcs, "_CHUNK", CHUNK)
    monkeypatch.setattr(google.auth, "default", lambda **_: (AnonymousCredentials(), None))  # type: ignore[no-untyped-call]
    yield world
    server.shutdown()
    thread.join()
    server.server_close()


class Content:
    """A source, and how it was read."""

    def __init__(self, size: int) -> None:
        self.whole = bytes(number * 7 % 251 for number in range(size))
        self.asked: list[int] = []
        self._left = self.whole
        self.breaks = False

    def __call__(self, size: int) -> bytes:
        self.asked.append(size)
        piece, self._left = self._left[:size], self._left[size:]
        if len(piece) < size and self.breaks:
            raise JobError("pg_dump ended with 1")
        return piece


def store() -> CloudStorageDumps:
    return CloudStorageDumps(gcp.Session(), "exports")


@pytest.mark.parametrize("size", [1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_what_is_stored_is_what_was_read(bucket: Bucket, size: int) -> None:
    content = Content(size)
    stored = store().upload("dump/a/x.dump", content)
    assert bucket.objects == {"dump/a/x.dump": content.whole}
    assert (stored.size, stored.sha256) == (size, hashlib.sha256(content.whole).hexdigest())
    assert stored.generation == "17"
    assert set(content.asked) == {CHUNK}
    with store().stream("dump/a/x.dump") as pieces:
        assert b"".join(pieces) == content.whole


def test_chunks_name_their_place(bucket: Bucket) -> None:
    store().upload("x", Content(2 * CHUNK + 5))
    assert bucket.ranges == [
        f"bytes 0-{CHUNK - 1}/*",
        f"bytes {CHUNK}-{2 * CHUNK - 1}/*",
        f"bytes {2 * CHUNK}-{2 * CHUNK + 4}/{2 * CHUNK + 5}",
    ]


def test_what_was_not_kept_is_sent_again(bucket: Bucket) -> None:
    content = Content(2 * CHUNK)
    bucket.keeps = [256 << 10, 0]
    store().upload("x", content)
    assert bucket.objects["x"] == content.whole
    assert bucket.ranges[:3] == [f"bytes 0-{CHUNK - 1}/*"] + [f"bytes {256 << 10}-{CHUNK - 1}/*"] * 2


def test_an_upload_that_makes_no_headway_ends(bucket: Bucket) -> None:
    bucket.keeps = [0] * 5
    with pytest.raises(JobError, match="kept 0 of 524288 bytes after 5 attempts"):
        store().upload("x", Content(2 * CHUNK))
    assert (bucket.objects, bucket.pending) == ({}, None)


def test_an_outage_is_outlived(bucket: Bucket) -> None:
    content = Content(CHUNK)
    bucket.statuses = [503, 429]
    store().upload("x", content)
    assert bucket.objects["x"] == content.whole


def test_a_refusal_ends_the_upload(bucket: Bucket) -> None:
    bucket.statuses = [403]
    with pytest.raises(JobError, match="cannot upload gs://exports/x from byte 0: HTTP 403: try later"):
        store().upload("x", Content(CHUNK))
    assert bucket.pending is None


def test_a_source_that_breaks_off_completes_nothing(bucket: Bucket) -> None:
    content = Content(2 * CHUNK + 5)
    content.breaks = True
    with pytest.raises(JobError, match="pg_dump ended with 1"):
        store().upload("x", content)
    assert (bucket.objects, bucket.pending) == ({}, None)


def test_a_changed_byte_is_noticed(bucket: Bucket) -> None:
    bucket.damage = True
    with pytest.raises(JobError, match="gs://exports/x: has MD5 "):
        store().upload("x", Content(CHUNK))


def test_a_missing_key_is_noticed(bucket: Bucket) -> None:
    bucket.key = None
    with pytest.raises(JobError, match="set the bucket's default key"):
        store().upload("x", Content(CHUNK))


def test_nothing_is_overwritten(bucket: Bucket) -> None:
    assert store().create("final/x.json", b"1") is True
    assert store().create("final/x.json", b"2") is False
    with pytest.raises(JobError, match="HTTP 412"):
        store().upload("final/x.json", Content(5))
    assert bucket.objects == {"final/x.json": b"1"}


def test_a_download_that_breaks_off_is_an_error(bucket: Bucket) -> None:
    bucket.objects["x"] = b"12345"
    bucket.cut_downloads = True
    with pytest.raises(JobError, match="cannot read gs://exports/x: "), store().stream("x") as pieces:
        list(pieces)
    with pytest.raises(JobError, match="cannot read gs://exports/y: HTTP 404: No such object"), store().stream("y"):
        pass
