"""Structured log lines for Cloud Logging, with every known secret blotted out."""

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Literal, TextIO
from urllib.parse import quote

Severity = Literal["DEBUG", "INFO", "WARNING", "ERROR"]

_BLOT = "[secret]"
_SHORTEST = 4  # blotting out shorter strings would only shred ordinary words


class Log:
    """Writes one JSON object per line to a stream (standard output unless told otherwise).

    Cloud Logging reads `severity`, `message` and `time`; log-based metrics filter on `event`, `result`, `tenant` and
    `instance`. A value that went through `protect` appears in no line, not even inside a server's error message.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stdout
        self._secrets: set[str] = set()

    def protect(self, *values: str) -> None:
        """Remember secret values, also in the form that they take inside a URL."""
        for value in values:
            self._secrets.update(form for form in (value, quote(value, safe="")) if len(form) >= _SHORTEST)

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Forget at the end what was protected inside: a line is searched for the secrets of its own tenant only."""
        before = set(self._secrets)
        try:
            yield
        finally:
            self._secrets = before

    def redact(self, text: str) -> str:
        """Return the text with every protected value blotted out."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, _BLOT)
        return text

    def event(self, severity: Severity, event: str, message: str, **fields: str | float | bool | None) -> None:
        line = {
            "severity": severity,
            "time": datetime.now(UTC).isoformat(),
            "event": event,
            "message": self.redact(message),
            **{key: self._clean(value) for key, value in fields.items()},
        }
        self._stream.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._stream.flush()

    def _clean(self, value: str | float | bool | None) -> str | float | bool | None:
        return self.redact(value) if isinstance(value, str) else value


def first_line(lines: Iterable[str]) -> str:
    """Return the first line that says something: servers add details that do not belong in a log field."""
    return next((line.strip() for line in lines if line.strip()), "no message")
