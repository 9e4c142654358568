"""What an environment answers the world with, apart from the web application."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi


@dataclass(frozen=True, kw_only=True)
class Serving:
    """What there is to know from outside.

    Attributes:
        endpoints: what the DNS record of each public host points to.
        revisions: revision of each Cloud Run service that a canary is compared with.
    """

    endpoints: Mapping[str, pulumi.Output[str]]
    revisions: Mapping[str, pulumi.Output[str]]
