"""Secrets issued elsewhere: which are missing, looking at names only and never at values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from settings.errors import Problem
from settings.load import EXTERNAL_SECRETS, NAMESPACE


def check_external(raw: Mapping[str, Any], *, encrypted: bool) -> list[Problem]:
    """Compare the names in `secrets.external` with the keys of `external_secrets`.

    Args:
        raw: raw configuration, keys without their namespace.
        encrypted: whether the stack file holds the values encrypted.
    """
    section = raw.get("secrets")
    listed = section.get("external", []) if isinstance(section, dict) else []
    values = raw.get(EXTERNAL_SECRETS) or {}
    if not isinstance(listed, list) or not isinstance(values, dict):
        return []  # reported as a wrong type, or as unknown names below
    path = f"{NAMESPACE}:{EXTERNAL_SECRETS}"
    command = f"pulumi config set --secret --path '{path}.{{name}}'"
    problems = [
        Problem(
            path=f"{path}.{name}",
            message=f"is missing, and secrets.external lists {name}",
            fix=f"set its value with `{command.format(name=name)}`, or take the name off the list",
        )
        for name in sorted(str(name) for name in listed)
        if not values.get(name)
    ]
    problems += [
        Problem(
            path=f"{path}.{name}",
            message="is set but nothing uses it",
            fix="add the name to secrets.external, or remove the value",
        )
        for name in sorted(set(values) - {str(name) for name in listed})
    ]
    if values and not encrypted:
        problems.append(
            Problem(
                path=path,
                message="holds values in plain text",
                fix=f"remove them, rotate them at their issuer, and set each with `{command.format(name='NAME')}`",
            )
        )
    return problems
