"""The one deletion guard, and the hooks behind it.

A guarded resource carries the engine's `protect`, the provider's and the API's own deletion protection, and two hooks
that refuse in our words before the engine's own error suggests `state unprotect`: one before a deletion, one before a
resource that is known to have existed is created again, empty. It stands on data-bearing leaves only: `protect` is
inherited by children and blocks replacement, so a guarded component would jam the rotation of the secrets inside it.

Hooks are bound by name in the state, so they are registered at the root on every operation, needed or not.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pulumi

from settings.lifecycle import OFFBOARDING_GUIDE, Previous

RESTORE_GUIDE: Final = "docs/restore.md"

_FIRST_WAIT_SECONDS: Final = 10.0
"""Doubled on each retry."""
WAIT_VARIABLE: Final = "TENANTRY_RETRY_SECONDS"
"""Environment variable that shortens the first wait, for clouds that are consistent at once."""

# What passes by itself on a first `up`, and how often to try again: grants, new accounts, roles and newly enabled APIs
# are seen everywhere after a minute or two (4 retries: 150 s), a new metric or a first backup after up to ten minutes
# (6 retries: 630 s).
_RETRIES: Final[Mapping[str, int]] = {
    "does not have permission": 4,
    "permission denied": 4,
    # what IAM and KMS say: "Permission '…' denied on resource '…' (or it may not exist)"
    "denied on resource": 4,
    "does not exist (or it may have been deleted)": 4,
    # a policy that names an account made a moment ago: "Service account … does not exist."
    ".gserviceaccount.com does not exist": 4,
    "has not been used in project": 4,
    "ratelimitexceeded": 4,
    "resource_exhausted": 4,
    "error 503": 4,
    "cannot find metric": 6,
    "metric referenced by the provided filter is unknown": 6,
    # AWS: a role made a moment ago is refused by whatever is to take it, each service in its own words
    "cannot be assumed by": 4,
    "unable to assume": 4,
    "to assume the role": 4,
    "attempting to assume role": 4,
    "invalid principal": 4,
    "does not include the required permissions": 4,
    # a key or a policy that the asking service does not see yet
    "kms key does not exist or is not allowed": 4,
    "kmskeynotaccessible": 4,
    "insufficientencryptionpolicy": 4,
    "insufficients3bucketpolicy": 4,
    # S3 makes changes of one bucket one at a time, and shows a new one late
    "conflicting conditional operation": 4,
    "nosuchbucket": 4,
    # automated backups are copied once the first one is there
    "invaliddbinstancestate": 6,
    "rate exceeded": 4,
}


@dataclass(frozen=True, kw_only=True)
class Guard:
    """The registered hooks, and how a resource takes them.

    Attributes:
        keys: cloud → `use/region` of the keys that exist. A key is never deleted, for it may be what a backup is read
            with, so it stays declared when what it was made for is not.
    """

    refuse_delete: pulumi.ResourceHook
    refuse_recreate: pulumi.ResourceHook
    retry: pulumi.ErrorHook
    keys: Mapping[str, tuple[str, ...]]

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

    first_wait = float(os.environ.get(WAIT_VARIABLE, _FIRST_WAIT_SECONDS))

    async def retry(args: pulumi.ErrorHookArgs) -> bool:
        attempts = len(args.errors)
        if args.failed_operation != "create" or attempts > _allowed_retries(args.errors):
            return False
        await asyncio.sleep(first_wait * 2 ** (attempts - 1))
        return True

    return Guard(
        refuse_delete=pulumi.ResourceHook(
            "tenantry-refuse-delete", refuse_delete, pulumi.ResourceHookOptions(on_dry_run=True)
        ),
        refuse_recreate=pulumi.ResourceHook(
            "tenantry-refuse-empty-recreate", refuse_recreate, pulumi.ResourceHookOptions(on_dry_run=True)
        ),
        retry=pulumi.ErrorHook("tenantry-retry-propagation", retry),
        keys=previous.keys,
    )


def _allowed_retries(errors: Sequence[str]) -> int:
    """How often the newest error may be tried again; 0 for one that does not pass by itself."""
    newest = errors[0].lower() if errors else ""
    return max((retries for text, retries in _RETRIES.items() if text in newest), default=0)
