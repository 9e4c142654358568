"""The exports bucket in Cloud Storage: resumable uploads, compared with the MD5 that the store has computed itself."""

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import requests

from jobs.dumps.store import MEBIBYTE, Read, Stored
from jobs.sql import gcp
from jobs.sql.errors import JobError

_CHUNK: Final = 16 * MEBIBYTE  # a multiple of 256 KiB, as the protocol asks; at most two are in memory
_PIECE: Final = MEBIBYTE
_RESUME: Final = HTTPStatus.PERMANENT_REDIRECT  # 308: so far received, send more
_RESENDS: Final = 5  # of what the store has not kept of one chunk


class CloudStorageDumps(gcp.BucketObjects):
    """The bucket; its default key encrypts, and an object that the store reports without a key is refused."""

    def uri(self, name: str) -> str:
        return f"gs://{self._bucket}/{name}"

    def create(self, name: str, content: bytes) -> bool:
        answer = self._start("media", name, data=content, headers={"Content-Type": "application/json"})
        if answer.status_code == HTTPStatus.PRECONDITION_FAILED:
            return False
        gcp.checked(answer, f"write {self.uri(name)}")
        return True

    def upload(self, name: str, source: Read) -> Stored:
        answer = gcp.checked(
            self._start("resumable", name, headers={"X-Upload-Content-Type": "application/octet-stream"}),
            f"start the upload of {self.uri(name)}",
        )
        session = answer.headers["Location"]
        try:
            return self._send(name, session, source)
        except BaseException:
            self._cancel(session)
            raise

    def _start(self, kind: str, name: str, **given: Any) -> requests.Response:  # noqa: ANN401 - requests'
        url = f"{gcp.STORAGE}/upload/storage/v1/b/{self._bucket}/o"
        # generation 0 is "no such object": nothing is overwritten, and a repeated call cannot write twice
        query = {"uploadType": kind, "name": name, "ifGenerationMatch": "0"}
        with _explained(f"write {self.uri(name)}"):
            return self._session.call("POST", url, params=query, **given)

    def _send(self, name: str, session: str, source: Read) -> Stored:
        whole, check, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
        chunk = source(_CHUNK)
        while True:
            # the last chunk is sent only after the source has shown its end to be the real one
            following = source(_CHUNK) if chunk else b""
            whole.update(chunk)
            check.update(chunk)
            found = self._send_chunk(name, session, chunk, size, last=not following)
            size += len(chunk)
            if not following:
                break
            chunk = following
        if int(found.get("size", -1)) != size:
            raise JobError(f"{self.uri(name)}: holds {found.get('size')} bytes of the {size} that were sent")
        expected = base64.b64encode(check.digest()).decode()
        if found.get("md5Hash") != expected:
            raise JobError(f"{self.uri(name)}: has MD5 {found.get('md5Hash')} instead of {expected}")
        if not found.get("kmsKeyName"):
            raise JobError(f"{self.uri(name)}: is not encrypted with a key of its own; set the bucket's default key")
        return Stored(size=size, sha256=whole.hexdigest(), generation=str(found["generation"]))

    def _send_chunk(self, name: str, session: str, chunk: bytes, offset: int, *, last: bool) -> dict[str, Any]:
        """Send until the store has kept all of it; return the object's metadata after the last one."""
        what = f"upload {self.uri(name)} from byte {offset}"
        end = offset + len(chunk)
        kept = offset
        for _ in range(_RESENDS):
            span = f"{kept}-{end - 1}" if end > kept else "*"
            headers = {"Content-Range": f"bytes {span}/{end if last else '*'}"}
            # a repetition after a time-out is harmless: bytes that the store already has are ignored
            with _explained(what):
                answer = self._session.call("PUT", session, data=chunk[kept - offset :], headers=headers)
            if answer.status_code != _RESUME:
                metadata: dict[str, Any] = gcp.checked(answer, what).json()
                return metadata
            reported = answer.headers.get("Range")  # bytes=0-N; none while nothing has been kept
            kept = int(reported.rpartition("-")[2]) + 1 if reported else 0
            if not offset <= kept <= end:
                raise JobError(f"cannot {what}: the store reports {kept} bytes")
            if kept == end and not last:
                return {}
        raise JobError(f"cannot {what}: the store kept {kept - offset} of {len(chunk)} bytes after {_RESENDS} attempts")

    def _cancel(self, session: str) -> None:
        # what stays behind expires within a week and is never an object; it must not hide why the upload failed
        with suppress(Exception):
            self._session.call("DELETE", session)

    @contextmanager
    def stream(self, name: str) -> Iterator[Iterator[bytes]]:
        url = f"{gcp.STORAGE}/storage/v1/b/{self._bucket}/o/{quote(name, safe='')}"
        with _explained(f"read {self.uri(name)}"):
            answer = self._session.call("GET", url, stream=True, params={"alt": "media"})
        try:
            with _explained(f"read {self.uri(name)}"):
                gcp.checked(answer, f"read {self.uri(name)}")
            yield self._pieces(name, answer)
        finally:
            answer.close()

    def _pieces(self, name: str, answer: requests.Response) -> Iterator[bytes]:
        with _explained(f"read {self.uri(name)}"):
            yield from answer.iter_content(_PIECE)


@contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except requests.RequestException as error:
        raise JobError(f"cannot {what}: {type(error).__name__}") from None
