"""Which conditions are asked for."""

from __future__ import annotations

import dataclasses
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class ConditionsAsked:
    """suite: a name. globs: over condition ids, instead of the suite's. severities: only these. corruption_scale: the
    size in px whose severity constants are used, None for the images' own. frost_textures: a folder of ImageNet-C's
    frost photographs. across: of an earlier ask of the run, the globs that name files which images are made on (`+`):
    these images are for every target, as those of `globs` with a `+` are. own: ids among `globs` that a run had by its
    suite, or by a pattern without a `+`: these images are for their own targets.
    """

    suite: str = "standard"
    globs: tuple[str, ...] = ()
    severities: tuple[int, ...] = ()
    corruption_scale: int | None = None
    frost_textures: Path | None = None
    across: tuple[str, ...] = ()
    own: tuple[str, ...] = ()

    @property
    def for_all(self) -> tuple[str, ...]:
        """Those globs: asked now, and before."""
        named = (glob for glob in self.globs if "+" in glob and glob not in self.own)
        return tuple(dict.fromkeys((*self.across, *named)))
