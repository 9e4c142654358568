"""What AWS refuses because of something elsewhere in the account."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.cloud.checks import World
    from sandbox.cloud.values import Props


def check_create(world: World) -> None:
    del world


def check_update(world: World, before: Props) -> None:
    del world, before


def check_delete(world: World, state: Props) -> None:
    del world, state


def after_create(world: World) -> None:
    del world
