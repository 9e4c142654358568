"""Layering, field by field: `built-in defaults < plan < tenant`. What is unset falls through; false and zero do not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from settings.defaults import INSTANCE_DEFAULTS, TENANT_DEFAULTS
from settings.models import InstanceOptions, RecoveryTarget, TenantOptions
from settings.types import FailureScope

_NESTED: Final = frozenset({"instance", "targets"})
_PLAIN: Final = tuple(field for field in TenantOptions.model_fields if field not in _NESTED)


@dataclass(frozen=True, kw_only=True)
class Layers:
    """The options of a tenant, and where each was written.

    Attributes:
        values: option → value, None where no layer sets it; without the two nested ones.
        instance: the instance's options that some layer sets; the built-in ones are not among them.
        targets: recovery targets; a layer replaces a scope's target as a whole.
        written: option (`pool`, `instance.tier`, `targets.region`) → YAML path of the layer's value that counts.
    """

    values: Mapping[str, Any]
    instance: Mapping[str, Any]
    targets: Mapping[FailureScope, RecoveryTarget]
    written: Mapping[str, str]

    @classmethod
    def defaults(cls) -> Self:
        values = {field: getattr(TENANT_DEFAULTS, field) for field in _PLAIN}
        return cls(values=values, instance={}, targets={}, written={})

    def over(self, options: TenantOptions, path: str) -> Layers:
        """These layers with `options`, written at `path`, on top."""
        values = {field: value for field in _PLAIN if (value := getattr(options, field)) is not None}
        instance = {} if options.instance is None else options.instance.model_dump(exclude_none=True)
        targets = options.targets or {}
        written = (
            {field: f"{path}.{field}" for field in values}
            | {f"instance.{field}": f"{path}.instance.{field}" for field in instance}
            | {f"targets.{scope}": f"{path}.targets.{scope}" for scope in targets}
        )
        return Layers(
            values={**self.values, **values},
            instance={**self.instance, **instance},
            targets={**self.targets, **targets},
            written={**self.written, **written},
        )


def complete_instance(written: Mapping[str, Any]) -> dict[str, Any]:
    """Every option of an instance: the built-in defaults under what is written."""
    return {**_INSTANCE_DEFAULTS, **written}


_INSTANCE_DEFAULTS: Final = {field: getattr(INSTANCE_DEFAULTS, field) for field in InstanceOptions.model_fields}
