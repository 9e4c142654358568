"""Names that give away what a variable holds, on any platform that takes environment variables (R5.1)."""

from __future__ import annotations

import re

_WORDS = (
    "ACCESS_KEY|API_KEY|APIKEY|AUTH_KEY|CONNECTION_STRING|CREDENTIALS?|DATABASE_URL|DB_URL|DSN|ENCRYPTION_KEY|MONGO_URL|"
    "PASS|PASSPHRASE|PASSWD|PASSWORD|POSTGRES_URL|PRIVATE_KEY|PWD|REDIS_URL|REST_TOKEN|SECRETS?|SECRET_KEY|"
    "SERVICE_ROLE_KEY|SIGNING_KEY|TOKEN|WEBHOOK_URL"
)
_SECRET = re.compile(rf"(?:^|_)(?:{_WORDS})(?:_\d+)?$")
_PUBLIC = re.compile(r"^(?:NEXT_PUBLIC|VITE|REACT_APP|PUBLIC)_")
_CLOUD_KEY = re.compile(
    r"^(?:AWS_(?:ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN)"
    r"|GOOGLE_APPLICATION_CREDENTIALS(?:_JSON|_BASE64)?"
    r"|(?:GOOGLE|GCP|GCLOUD|FIREBASE)_(?:CREDENTIALS|PRIVATE_KEY|(?:SA|SERVICE_ACCOUNT)(?:_KEY|_JSON|_CREDENTIALS)*)"
    r"|AZURE_CLIENT_SECRET)$"
)
_CLOUD_KEY_VALUE = re.compile(
    r"\bA[KS]IA[0-9A-Z]{16}\b|-----BEGIN (?:RSA |EC )?PRIVATE KEY-----|\"private_key_id\"\s*:"
)


def looks_secret(name: str) -> bool:
    """Whether a variable of this name holds a secret.

    The word must come last: JWT_SECRET holds one, JWT_SECRET_NAME and DATABASE_URL_ARN say where one is. What a
    framework builds into pages for the browser is public by definition.
    """
    upper = name.upper()
    return not _PUBLIC.match(upper) and (_SECRET.search(upper) is not None or looks_like_cloud_key(upper))


def looks_like_cloud_key(name: str) -> bool:
    """Whether a variable of this name holds a long-lived key of a cloud."""
    return _CLOUD_KEY.match(name.upper()) is not None


def holds_cloud_key(value: str) -> bool:
    """Whether a text is, or has in it, a long-lived key of AWS or Google, or a private key."""
    return _CLOUD_KEY_VALUE.search(value) is not None
