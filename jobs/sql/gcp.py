"""The cloud's side of the stores, over plain REST: three calls do not pay for three SDKs and gRPC in the image."""

import base64
import json
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import google.auth
import google.auth.transport.requests
from requests import Response
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from jobs.sql.errors import JobError
from jobs.sql.registry import Instance

STORAGE = "https://storage.googleapis.com"
_SECRETS = "https://secretmanager.googleapis.com/v1"
_API_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
# The narrowest scope that Cloud SQL takes as an IAM user's password: a token that leaked could do nothing else.
_LOGIN_SCOPE = "https://www.googleapis.com/auth/sqlservice.login"
_TIMEOUT = (5, 30)  # seconds to connect, seconds between two bytes
_PREFIX = "https://"  # what the retries apply to: every call
_RETRIES = 4
_BACKOFF = 0.5  # seconds before the second attempt; doubles


class Session:
    """An authorised HTTP session with bounded retries of what is safe to repeat."""

    def __init__(self) -> None:
        credentials, _ = google.auth.default(scopes=[_API_SCOPE])
        self._http = google.auth.transport.requests.AuthorizedSession(credentials)  # type: ignore[no-untyped-call]
        retry = Retry(
            total=_RETRIES,
            backoff_factor=_BACKOFF,
            status_forcelist=[429, 500, 502, 503, 504],
            allowed_methods=["GET", "PUT", "DELETE"],
            raise_on_status=False,
        )
        self._http.mount(_PREFIX, HTTPAdapter(max_retries=retry))

    def get(self, url: str, what: str, *, absent: tuple[int, ...] = (), **params: str) -> Response | None:
        """Get a URL; None when the answer is one of the statuses that mean absence.

        Raises:
            JobError: any other answer than success.
        """
        answer = self._http.get(url, params=params, timeout=_TIMEOUT)
        return None if answer.status_code in absent else checked(answer, what)

    def put(self, url: str, what: str, content: bytes) -> None:
        answer = self._http.put(url, data=content, headers={"Content-Type": "application/json"}, timeout=_TIMEOUT)
        checked(answer, what)

    def delete(self, url: str, what: str) -> None:
        answer = self._http.delete(url, timeout=_TIMEOUT)
        if answer.status_code != HTTPStatus.NOT_FOUND:
            checked(answer, what)

    def post(self, url: str, what: str, body: dict[str, Any]) -> None:
        checked(self._http.post(url, json=body, timeout=_TIMEOUT), what)

    def call(self, method: str, url: str, *, stream: bool = False, **given: Any) -> Response:  # noqa: ANN401 - requests'
        """Call without a judgement: any status is an answer, and 308 is no redirection."""
        answer: Response = self._http.request(  # type: ignore[no-untyped-call]
            method, url, timeout=_TIMEOUT, allow_redirects=False, stream=stream, **given
        )
        return answer


class BucketObjects:
    """The registry bucket in Cloud Storage."""

    def __init__(self, session: Session, bucket: str) -> None:
        self._session = session
        self._bucket = bucket

    def names(self, prefix: str) -> list[str]:
        found: list[str] = []
        token = ""
        while True:
            answer = self._session.get(
                f"{STORAGE}/storage/v1/b/{self._bucket}/o",
                f"list gs://{self._bucket}/{prefix}",
                prefix=prefix,
                fields="items/name,nextPageToken",
                pageToken=token,
            )
            page = answer.json() if answer is not None else {}
            found += [item["name"] for item in page.get("items", [])]
            token = page.get("nextPageToken", "")
            if not token:
                return sorted(found)

    def read(self, name: str) -> bytes | None:
        answer = self._session.get(
            f"{STORAGE}/storage/v1/b/{self._bucket}/o/{quote(name, safe='')}",
            f"read gs://{self._bucket}/{name}",
            absent=(HTTPStatus.NOT_FOUND,),
            alt="media",
        )
        return None if answer is None else answer.content

    def write(self, name: str, content: bytes) -> None:
        # The XML API's upload is a PUT, so it may be repeated after a time-out.
        self._session.put(f"{STORAGE}/{self._bucket}/{quote(name)}", f"write gs://{self._bucket}/{name}", content)

    def delete(self, name: str) -> None:
        url = f"{STORAGE}/storage/v1/b/{self._bucket}/o/{quote(name, safe='')}"
        self._session.delete(url, f"delete gs://{self._bucket}/{name}")


class ManagedSecrets:
    """Secret Manager."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def latest(self, name: str) -> str | None:
        # 404: no version, or no such secret; 400 FAILED_PRECONDITION: the newest version is disabled or destroyed.
        answer = self._session.get(
            f"{_SECRETS}/{name}/versions/latest:access",
            f"read {name}",
            absent=(HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST),
        )
        return None if answer is None else base64.b64decode(answer.json()["payload"]["data"]).decode()

    def add(self, name: str, value: str) -> None:
        data = base64.b64encode(value.encode()).decode()
        self._session.post(f"{_SECRETS}/{name}:addVersion", f"add a version to {name}", {"payload": {"data": data}})


class AccessToken:
    """A fresh access token for Cloud SQL's IAM log-in, cached by the library until shortly before it expires."""

    def __init__(self) -> None:
        self._credentials, _ = google.auth.default(scopes=[_LOGIN_SCOPE])

    def __call__(self, instance: Instance) -> str:  # noqa: ARG002 - a token is good for every instance
        if not self._credentials.valid:
            self._credentials.refresh(google.auth.transport.requests.Request())  # type: ignore[no-untyped-call]
        return str(self._credentials.token)


def checked(answer: Response, what: str) -> Response:
    if answer.ok:
        return answer
    try:
        reason = answer.json()["error"]["message"]
    except (json.JSONDecodeError, KeyError, TypeError):
        reason = answer.reason
    raise JobError(f"cannot {what}: HTTP {answer.status_code}: {reason}")
