"""The random provider: nothing exists outside the Pulumi state, every input forces replacement."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Final

from sandbox.cloud.rules import Rule, Synthesis
from sandbox.cloud.synthesis import random_bytes, random_password

if TYPE_CHECKING:
    from collections.abc import Mapping

_LETTERS: Final = {
    "lower": True,
    "upper": True,
    "numeric": True,
    "special": True,
    "minLower": 0,
    "minUpper": 0,
    "minNumeric": 0,
    "minSpecial": 0,
}
_PASSWORD_INPUTS: Final = ("keepers", "length", "number", "overrideSpecial", *_LETTERS)


def _bcrypt_like(made: Synthesis) -> str:
    # The shape of a bcrypt hash; nobody verifies a password against it.
    digest = base64.b64encode(hashlib.sha384(random_password(made).encode()).digest(), altchars=b"./").decode()
    return f"$2a$10${digest[:53]}"


def _b64_url(made: Synthesis) -> str:
    return base64.urlsafe_b64encode(random_bytes(made)).decode().rstrip("=")


def _prefixed(made: Synthesis, text: str) -> str:
    return f"{made.inputs.get('prefix') or ''}{text}"


RULES: Final[Mapping[str, Rule]] = {
    "random:index/randomPassword:RandomPassword": Rule(
        immutable=_PASSWORD_INPUTS,
        server_defaults={**_LETTERS, "number": True},
        computed={"result": random_password, "bcryptHash": _bcrypt_like},
        id_from=lambda _made: "none",  # the provider's own placeholder: the password must not show as an id
        secret_outputs=("result", "bcryptHash"),
        stateless=True,
    ),
    "random:index/randomId:RandomId": Rule(
        immutable=("byteLength", "keepers", "prefix"),
        computed={
            "b64Std": lambda made: _prefixed(made, base64.b64encode(random_bytes(made)).decode()),
            "b64Url": lambda made: _prefixed(made, _b64_url(made)),
            "hex": lambda made: _prefixed(made, random_bytes(made).hex()),
            "dec": lambda made: _prefixed(made, str(int.from_bytes(random_bytes(made), "big"))),
        },
        id_from=_b64_url,
        stateless=True,
    ),
}
