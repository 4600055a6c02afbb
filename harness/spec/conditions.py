"""Which conditions are asked for."""

from __future__ import annotations

import dataclasses
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class ConditionsAsked:
    """suite: a name. globs: over condition ids, instead of the suite's. severities: only these. corruption_scale: the
    size in px whose severity constants are used, None for the images' own. frost_textures: a folder of ImageNet-C's
    frost photographs. across: of an earlier ask of the run, the globs that name files which images are made on (`+`):
    these images are for every target, as those of `globs` with a `+` are.
    """

    suite: str = "standard"
    globs: tuple[str, ...] = ()
    severities: tuple[int, ...] = ()
    corruption_scale: int | None = None
    frost_textures: Path | None = None
    across: tuple[str, ...] = ()

    @property
    def for_all(self) -> tuple[str, ...]:
        """Those globs: asked now, and before."""
        return tuple(dict.fromkeys((*self.across, *(glob for glob in self.globs if "+" in glob))))
