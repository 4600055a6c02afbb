"""The study's networks by name: two grids of ten bit-widths and a float network, for each of five seeds.

Both grids are odd integers over a scale, so that they have no zero:

| grid | levels | integers | scale | the levels of 1 bit |
|---|---|---|---|---|
| levels | 2^B, from -1 to 1 | -(2^B-1) ... 2^B-1 | 2^B-1 | -1, 1 |
| sign | 2^(B+1): the sign is an extra bit | -(2^(B+1)-1) ... 2^(B+1)-1 | 2^(B+1) | -0.75, -0.25, 0.25, 0.75 |

The paper states no grid. A grid with a zero learns nothing at one bit from Glorot's start: all its weights are zero.
"""

import re

BITS = range(1, 11)
GRIDS = ("levels", "sign")
FLOAT = "float"
SEEDS = 5
SIZES = (784, 100, 10)  # pixels, hidden, classes


def names_of_a_seed() -> list[str]:
    """The networks of one seed: `float`, `levels-w1` ... `sign-w10`."""
    return [FLOAT] + [f"{grid}-w{bits}" for grid in GRIDS for bits in BITS]


def key_of(seed: int, name: str) -> str:
    """A network's key in networks.npz, as `seed0-levels-w4`."""
    return f"seed{seed}-{name}"


def grid_of(name: str) -> tuple[int, int]:
    """Scale and greatest integer of a network's grid; (0, 0) for the float one. Raises ValueError for another name."""
    if name == FLOAT:
        return 0, 0
    asked = re.fullmatch(r"(levels|sign)-w(\d+)", name)
    if not asked:
        raise ValueError(f"{name!r} is no network of this study: float, levels-w1 ... sign-w10")
    bits = int(asked[2])
    return (2**bits - 1, 2**bits - 1) if asked[1] == "levels" else (2 ** (bits + 1), 2 ** (bits + 1) - 1)
