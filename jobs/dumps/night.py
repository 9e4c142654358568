"""How long a run may take, and each tenant in it: what one tenant takes is never what another misses for good."""

from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field

from jobs.deadline import Clock
from jobs.environment import Variables

NAMED: Final = 100
"""So many names at most go into one field of a log line."""


class Limits(Variables):
    """Limits of a run, from the environment.

    Attributes:
        time_limit_s: seconds of the whole run. The task's own limit is four hours, after which it could not say what it
            has not done.
        tenant_time_limit_s: seconds of one tenant.
    """

    time_limit_s: Annotated[int, Field(ge=1)] = 13_500
    tenant_time_limit_s: Annotated[int, Field(ge=1)] = 3_600


@dataclass(frozen=True, kw_only=True)
class Night:
    """The time of one run.

    Attributes:
        clock: of the whole run.
        tenant_s: what a tenant may take of it.
    """

    clock: Clock
    tenant_s: float

    @classmethod
    def of(cls, limits: Limits) -> "Night":
        return cls(clock=Clock(limit_s=limits.time_limit_s), tenant_s=limits.tenant_time_limit_s)

    def turn(self) -> Clock | None:
        """The next tenant's time; None when the run's is up."""
        left = self.clock.remaining()
        if left is None:
            return Clock(limit_s=self.tenant_s)
        return Clock(limit_s=min(left, self.tenant_s)) if left > 0 else None

    @property
    def over(self) -> bool:
        return self.clock.is_up()


def listed(names: "list[str] | tuple[str, ...]") -> str:
    """Names for a field of a log line."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
