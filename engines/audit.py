"""What was asked of an engine and what it really built, layer by layer and as a share of the arithmetic."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Sequence

# The realized precision of work that a runtime does not show, or that nobody can count.
UNKNOWN = "unknown"


@dataclasses.dataclass(frozen=True)
class Layer:
    """One layer that multiplies and accumulates.

    op: the kernel that ran, in the runtime's own words. macs: multiply-accumulates for one image. requested and
    realized: precision words, `realized` may be UNKNOWN. guessed: nobody can tell how much this kernel multiplies, and
    `macs` is the most that it can be, or a guess.
    """

    name: str
    op: str
    macs: int
    requested: str
    realized: str
    guessed: bool = False


@dataclasses.dataclass(frozen=True)
class Audit:
    """An engine's layers. `other_ops` counts the executed kernels that carry no multiply-accumulates."""

    layers: tuple[Layer, ...]
    other_ops: dict[str, int]

    def realized(self) -> dict[str, float]:
        """Share of all multiply-accumulates per realized precision, largest first; empty without such layers."""
        macs: dict[str, int] = defaultdict(int)
        for layer in self.layers:
            macs[layer.realized] += layer.macs
        total = sum(macs.values())
        return (
            {name: macs[name] / total for name in sorted(macs, key=lambda name: (-macs[name], name))} if total else {}
        )

    def unknown(self) -> tuple[str, ...]:
        """The kernels whose precision or work is not known, the largest share first."""
        layers = sorted((layer for layer in self.layers if _is_unknown(layer)), key=lambda layer: -layer.macs)
        return tuple(dict.fromkeys(layer.op for layer in layers))

    def share_as_requested(self) -> float | None:
        """Share of all multiply-accumulates that run at the requested precision; None without such layers, and where
        nothing is known of any.
        """
        if self.realized().keys() == {UNKNOWN}:
            return None
        total = sum(layer.macs for layer in self.layers)
        kept = sum(layer.macs for layer in self.layers if layer.realized == layer.requested)
        return kept / total if total else None


def _is_unknown(layer: Layer) -> bool:
    return layer.guessed or layer.realized == UNKNOWN


def with_guesses(layers: Sequence[Layer], uncounted: Sequence[Layer]) -> tuple[Layer, ...]:
    """The layers, and those whose work nothing tells: these get as much as all others have together, so that no share
    of the others reads more than a half.
    """
    rest = max(sum(layer.macs for layer in layers), len(uncounted))
    each = -(-rest // max(len(uncounted), 1))
    return (*layers, *(dataclasses.replace(layer, macs=each, guessed=True) for layer in uncounted))
