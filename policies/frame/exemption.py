"""One exemption, as it is written in the file."""

from __future__ import annotations

import datetime as dt
from fnmatch import fnmatchcase
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3)]


class Exemption(BaseModel):
    """One entry. In `resource`, a URN, `*`, `?` and `[...]` match as in file names; `expires` is the last day."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: Text
    resource: Annotated[str, StringConstraints(pattern=r"^urn:pulumi:[^*?\[:]+::.+::[^*?\[:][^:]*$")]
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=15)]
    owner: Text
    expires: dt.date

    def covers(self, rule: str, urn: str) -> bool:
        return self.rule == rule and fnmatchcase(urn, self.resource)


_HINTS = {
    "resource": "write a URN with its stack; wildcards may not stand for the stack or begin the resource's name",
    "reason": "say in at least 15 characters why the rule cannot hold here",
    "expires": "write the last day as YYYY-MM-DD",
}


def parse(raw: Any) -> tuple[Exemption | None, list[str]]:  # noqa: ANN401
    """The exemption, or what is wrong with the entry."""
    try:
        return Exemption.model_validate(raw), []
    except ValidationError as error:
        faults = []
        for detail in error.errors(include_url=False):
            key = ".".join(str(part) for part in detail["loc"])
            faults.append(f"{'.' if key else ''}{key}: {_HINTS.get(key, detail['msg'])}")
        return None, faults
