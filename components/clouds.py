"""What an environment offers on each of its clouds."""

from __future__ import annotations

from dataclasses import dataclass

from components.aws.platform import AwsEnvironment
from components.gcp.environment import GoogleEnvironment


@dataclass(frozen=True, kw_only=True)
class Clouds:
    """One environment on each cloud that the stack declares; what runs on a cloud asks for its own."""

    on_gcp: GoogleEnvironment | None
    on_aws: AwsEnvironment | None

    @property
    def gcp(self) -> GoogleEnvironment:
        if self.on_gcp is None:
            raise LookupError("this environment has no Google Cloud project")
        return self.on_gcp

    @property
    def aws(self) -> AwsEnvironment:
        if self.on_aws is None:
            raise LookupError("this environment has no AWS account")
        return self.on_aws
