"""Energy of an image, from what a meter counted while images were answered."""

from __future__ import annotations

import dataclasses
import math

# Meters count as seldom as ten times a second: over less than this, in seconds, they say nothing.
LEAST_S = 1.0


@dataclasses.dataclass(frozen=True)
class Energy:
    """joules_per_image: all that was drawn meanwhile. net_joules_per_image: less what the machine draws when idle, None
    where that is not known. watts, idle_watts: means. Not a measurement by MLPerf Power's rules.
    """

    joules_per_image: float
    net_joules_per_image: float | None
    watts: float
    idle_watts: float | None
    images: int

    def to_dict(self) -> dict[str, float | int | None]:
        """JSON values."""
        return dataclasses.asdict(self)


def energy(joules: float, seconds: float, images: int, idle_watts: float | None = None) -> Energy | None:
    """joules that a meter counted in `seconds` of wall time, in which `images` were answered; idle_watts: drawn by the
    same machine, by the same meter, when nothing runs. None where that is too little to say something: below LEAST_S,
    or without an image or a joule.

    >>> energy(30.0, 2.0, 100, idle_watts=5.0)
    Energy(joules_per_image=0.3, net_joules_per_image=0.2, watts=15.0, idle_watts=5.0, images=100)
    """
    if not (seconds >= LEAST_S and images > 0 and 0 < joules < math.inf):
        return None
    net = None if idle_watts is None else (joules - idle_watts * seconds) / images
    return Energy(joules / images, net, joules / seconds, idle_watts, images)
