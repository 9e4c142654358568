"""Layering, field by field: `built-in defaults < plan < tenant`. What is unset falls through; false and zero do not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from pydantic import BaseModel

from settings.defaults import INSTANCE_DEFAULTS, TENANT_DEFAULTS
from settings.models import RecoveryTarget, TenantOptions
from settings.types import FailureScope, SqlKind

_NESTED: Final = frozenset({"instance", "targets", "external", "firestore"})
_PLAIN: Final = tuple(field for field in TenantOptions.model_fields if field not in _NESTED)


@dataclass(frozen=True, kw_only=True)
class Layers:
    """The options of a tenant, and where each was written.

    Attributes:
        values: option → value, None where no layer sets it; without the nested ones.
        instance: the instance's options that some layer sets; the built-in ones are not among them.
        external: options of a guest database, the built-in ones among them.
        firestore: options of a Firestore database, the built-in ones among them.
        targets: recovery targets; a layer replaces a scope's target as a whole.
        written: option (`pool`, `instance.tier`, `targets.region`) → YAML path of the layer's value that counts.
    """

    values: Mapping[str, Any]
    instance: Mapping[str, Any]
    external: Mapping[str, Any]
    firestore: Mapping[str, Any]
    targets: Mapping[FailureScope, RecoveryTarget]
    written: Mapping[str, str]

    @classmethod
    def defaults(cls) -> Self:
        values = {field: getattr(TENANT_DEFAULTS, field) for field in _PLAIN}
        return cls(
            values=values,
            instance={},
            external=_options(TENANT_DEFAULTS.external),
            firestore=_options(TENANT_DEFAULTS.firestore),
            targets={},
            written={},
        )

    def over(self, options: TenantOptions, path: str) -> Layers:
        """These layers with `options`, written at `path`, on top."""
        values = {field: value for field in _PLAIN if (value := getattr(options, field)) is not None}
        nested = {name: _options(getattr(options, name)) for name in ("instance", "external", "firestore")}
        targets = options.targets or {}
        written = (
            {field: f"{path}.{field}" for field in values}
            | {f"{name}.{field}": f"{path}.{name}.{field}" for name, fields in nested.items() for field in fields}
            | {f"targets.{scope}": f"{path}.targets.{scope}" for scope in targets}
        )
        return Layers(
            values={**self.values, **values},
            instance={**self.instance, **nested["instance"]},
            external={**self.external, **nested["external"]},
            firestore={**self.firestore, **nested["firestore"]},
            targets={**self.targets, **targets},
            written={**self.written, **written},
        )


def _options(model: BaseModel | None) -> dict[str, Any]:
    """What is written of a nested section; models inside it stay models."""
    return {} if model is None else {name: value for name, value in model if value is not None}


def complete_instance(written: Mapping[str, Any], kind: SqlKind) -> dict[str, Any]:
    """Every option of an instance: the kind's built-in defaults under what is written."""
    return {**dict(INSTANCE_DEFAULTS[kind]), **written}
