"""Checks of what the command line says to sweepers and launchers."""

from collections.abc import Mapping
from typing import TypeGuard

from grn_exp.core.errors import InputError


def is_whole(value: object) -> TypeGuard[int]:
    """Say whether a value is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def require_whole(least: int = 1, **values: object) -> None:
    """Refuse options of a sweeper that are no whole numbers from ``least`` on."""
    for name, value in values.items():
        if not is_whole(value) or value < least:
            raise InputError(f"hydra.sweeper.{name}={value}: give a whole number from {least} on")


def require_mapping(**values: object) -> None:
    """Refuse options of a sweeper that map nothing."""
    for name, value in values.items():
        if value is not None and not isinstance(value, Mapping):
            raise InputError(f"hydra.sweeper.{name}={value}: give key: values, as in conf/")
