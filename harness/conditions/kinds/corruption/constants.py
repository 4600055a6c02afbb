"""The constants behind corruptions: those of a severity hang on the size of the images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from seatrial.errors import UsageError
from seatrial.harness.conditions.corruptions import SCALES, describe_textures, scale_for, using_frost_textures
from seatrial.harness.conditions.kinds.corruption.ids import parse_corruption
from seatrial.harness.conditions.kinds.protocol import LoadedWorld


def check_scale(scale: int | None) -> None:
    """UsageError for a size in px without constants; None is the images' own."""
    if scale is not None and scale not in SCALES:
        raise UsageError(f"There are no constants for {scale} px; there are for {', '.join(map(str, SCALES))}.")


def constants(condition_id: str, world: LoadedWorld) -> dict[str, Any]:
    """JSON values: the size in px whose constants a corruption uses; and frost's textures, None for others."""
    frost = None
    if parse_corruption(condition_id)[0] == "frost":
        with using_frost_textures(world.spec.conditions.frost_textures):
            frost = describe_textures()
    scale = world.spec.conditions.corruption_scale or scale_for(*world.model.contract.size)
    return {"constants_px": scale, "frost_textures": frost}


def joined(shapes: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The constants of all that were made; None where none were."""
    made = [one for one in shapes if "constants_px" in one]
    if not made:
        return None
    frost = [one["frost_textures"] for one in made if one["frost_textures"] is not None]
    return {"constants_px": made[0]["constants_px"], "frost_textures": frost[0] if frost else None}
