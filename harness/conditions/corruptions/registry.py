"""The corruptions by name, with their severity tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from seatrial.registry import Registry

Pixels = npt.NDArray[np.uint8]
F = TypeVar("F", bound=Callable[..., Pixels])

SEVERITIES = (1, 2, 3, 4, 5)
# Image sizes (px) for which ImageNet-C, Tiny-ImageNet-C and CIFAR-10-C give constants.
SCALES = (224, 64, 32)


@dataclasses.dataclass(frozen=True)
class Corruption:
    """A corruption: apply(image uint8 [H, W, 3], constant, rng) -> uint8 [H, W, 3], and its table, scale -> severity
    1..5.
    """

    name: str
    family: str
    apply: Callable[[Pixels, Any, np.random.Generator], Pixels]
    table: Mapping[int, Sequence[Any]]

    def __post_init__(self) -> None:
        """ValueError where a constant is missing."""
        _check_table(self.table)


def _accept(name: str, named: Any) -> Corruption:
    if not isinstance(named, Corruption):
        raise TypeError("a corruption is a seatrial.harness.conditions.corruptions.Corruption")
    if named.name != name:
        raise ValueError(f"the corruption is named {named.name!r}: it bears its entry point's name")
    return named


CORRUPTIONS: Registry[Corruption] = Registry(
    "corruption",
    modules=["seatrial.harness.conditions.corruptions"],  # which imports each family's module, which registers
    group="seatrial.corruptions",
    accept=_accept,
)


def corruption(family: str, table: Mapping[int, Sequence[Any]]) -> Callable[[F], F]:
    """Decorator that files a corruption under its function's name.

    table: for each of 224, 64 and 32 px the constants of severities 1 to 5; ValueError where one is missing.
    """
    _check_table(table)

    def add(function: F) -> F:
        name = function.__name__
        CORRUPTIONS.register(name)(Corruption(name, family, function, table))
        return function

    return add


def _check_table(table: Mapping[int, Sequence[Any]]) -> None:
    if set(table) != set(SCALES) or any(len(row) != len(SEVERITIES) for row in table.values()):
        raise ValueError(f"a severity table needs {len(SEVERITIES)} constants for each of {SCALES}")
