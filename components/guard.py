"""The one deletion guard, and the hooks behind it.

A guarded resource carries the engine's `protect`, the provider's and the API's own deletion protection, and two hooks
that refuse in our words before the engine's own error suggests `state unprotect`: one before a deletion, one before a
resource that is known to have existed is created again, empty. It stands on data-bearing leaves only: `protect` is
inherited by children and blocks replacement, so a guarded component would jam the rotation of the secrets inside it.

Hooks are bound by name in the state, so they are registered at the root on every operation, needed or not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import pulumi

from settings.lifecycle import OFFBOARDING_GUIDE, Previous

RESTORE_GUIDE: Final = "docs/restore.md"

# Grants and new metric descriptors take up to a minute or two to be seen everywhere; a first `up` meets that.
_RETRIES: Final = 4
_FIRST_WAIT_SECONDS: Final = 10
_PROPAGATION_ERRORS: Final = (
    "does not have permission",
    "permission denied",
    "PERMISSION_DENIED",
    "cannot find metric that matches",
    "Cannot find metric that matches",
    "Cannot find metric(s) that match",
    "does not exist (or it may have been deleted)",
    "has not been used in project",
    "rateLimitExceeded",
    "RESOURCE_EXHAUSTED",
    "429",
    "503",
)


@dataclass(frozen=True, kw_only=True)
class Guard:
    """The registered hooks, and how a resource takes them."""

    refuse_delete: pulumi.ResourceHook
    refuse_recreate: pulumi.ResourceHook
    retry: pulumi.ErrorHook

    def options(
        self,
        parent: pulumi.Resource,
        *,
        guarded: bool,
        depends_on: Sequence[pulumi.Resource] = (),
        ignore_changes: Sequence[str] = (),
    ) -> pulumi.ResourceOptions:
        """Options of a data-bearing resource: guarded until its life cycle lifts the guard."""
        return pulumi.ResourceOptions(
            parent=parent,
            protect=guarded,
            depends_on=list(depends_on),
            ignore_changes=list(ignore_changes),
            hooks=pulumi.ResourceHookBinding(
                before_create=[self.refuse_recreate],
                before_delete=[self.refuse_delete] if guarded else [],
                on_error=[self.retry],
            ),
        )

    def retrying(
        self, parent: pulumi.Resource, *, depends_on: Sequence[pulumi.Resource] = ()
    ) -> pulumi.ResourceOptions:
        """Options of a resource whose creation can meet a grant that has not reached every server yet."""
        return pulumi.ResourceOptions(
            parent=parent,
            depends_on=list(depends_on),
            hooks=pulumi.ResourceHookBinding(on_error=[self.retry]),
        )


def deletion_policy(guarded: bool) -> str:
    """The provider's own switch, for resources that have one: it holds even without the engine's state."""
    return "PREVENT" if guarded else "DELETE"


def register_guard(previous: Previous, recreatable: Collection[str]) -> Guard:
    """Register the hooks of this operation.

    Args:
        previous: what the last deployment left; a guarded resource named there must not be created again.
        recreatable: Pulumi names for which the configuration says `recreate_after_loss`.
    """

    def refuse_delete(args: pulumi.ResourceHookArgs) -> None:
        raise RuntimeError(
            f"{args.name} holds data and is guarded; nothing was deleted. Offboard its tenants first "
            f"({OFFBOARDING_GUIDE}); do not unprotect it by hand."
        )

    def refuse_recreate(args: pulumi.ResourceHookArgs) -> None:
        if args.name in previous.created and args.name not in recreatable:
            raise RuntimeError(
                f"{args.name} ({previous.created[args.name]}) existed and has vanished from the cloud. It is not "
                f"created again empty: restore it first ({RESTORE_GUIDE}), or set recreate_after_loss on its entry."
            )

    async def retry(args: pulumi.ErrorHookArgs) -> bool:
        attempts = len(args.errors)
        passing = bool(args.errors) and any(text in args.errors[0] for text in _PROPAGATION_ERRORS)
        if args.failed_operation != "create" or not passing or attempts > _RETRIES:
            return False
        await asyncio.sleep(_FIRST_WAIT_SECONDS * 2 ** (attempts - 1))
        return True

    return Guard(
        refuse_delete=pulumi.ResourceHook(
            "tenantry-refuse-delete", refuse_delete, pulumi.ResourceHookOptions(on_dry_run=True)
        ),
        refuse_recreate=pulumi.ResourceHook(
            "tenantry-refuse-empty-recreate", refuse_recreate, pulumi.ResourceHookOptions(on_dry_run=True)
        ),
        retry=pulumi.ErrorHook("tenantry-retry-propagation", retry),
    )
