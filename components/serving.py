"""What an environment answers the world with, apart from the web application."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.aws.alarm_rules import LoadBalanced


@dataclass(frozen=True, kw_only=True)
class Serving:
    """What there is to know from outside.

    Attributes:
        endpoints: what the DNS record of each public host points to.
        revisions: revision of each Cloud Run service that a canary is compared with.
        balanced: services whose load balancer's metrics are watched on AWS; Cloud Run's are watched for all at once.
    """

    endpoints: Mapping[str, pulumi.Output[str]]
    revisions: Mapping[str, pulumi.Output[str]]
    balanced: tuple[LoadBalanced, ...] = ()
