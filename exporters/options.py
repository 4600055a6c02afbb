"""An input contract from flags: a preset or the model's own, with single fields replaced."""

from __future__ import annotations

import dataclasses

from seatrial.errors import UsageError
from seatrial.exporters.contract import Channels, InputContract, Size
from seatrial.exporters.presets import PRESETS
from seatrial.text import choices

_SINGLE = (
    "interpolation",
    "decoder",
    "divisor",
    "mean",
    "std",
    "color",
    "layout",
    "crop_offset",
    "pad_value",
    "orientation",
)
_GEOMETRY = ("size", "resize", "resize_to", "crop_offset", "pad_value")


@dataclasses.dataclass(frozen=True)
class ContractOptions:
    """What the contract's flags (`--preset`, `--size`, `--mean`, ...) say; None where a flag is not given.

    resize: "none", "exact" (straight to the size), "letterbox" (scaled to fit, padded), an integer (short side in
    pixels, then a centre crop) or (height, width): straight to that size, which is then the model's, or with `crop`
    a square to which both sides are squashed before the centre crop. layout: for an input whose shape fits both.
    """

    preset: str | None = None
    size: Size | None = None
    resize: str | int | Size | None = None
    crop: Size | None = None
    interpolation: str | None = None
    decoder: str | None = None
    divisor: float | None = None
    mean: Channels | None = None
    std: Channels | None = None
    color: str | None = None
    layout: str | None = None
    crop_offset: str | None = None
    pad_value: int | None = None
    orientation: str | None = None

    def resolve(self, carried: InputContract | None) -> InputContract | None:
        """The contract these options mean for a model that carries `carried`; None where nothing says how to feed it.

        A preset replaces the carried contract; the other flags replace single fields of what stands then. Any of size,
        resize and crop replaces all of the geometry, crop offset and pad value included. Raises UsageError for flags
        that contradict each other.
        """
        if self.preset is not None and self.preset not in PRESETS:
            raise UsageError(f"Unknown preset {self.preset!r}. {choices(self.preset, PRESETS)}")
        base = PRESETS[self.preset] if self.preset is not None else carried
        geometry = self._geometry(base)
        if base is None and geometry is None:
            if self != ContractOptions():
                raise UsageError("The contract's single flags need to know the size, too: give --preset, or --size.")
            return None
        fields = {name: getattr(self, name) for name in _SINGLE if getattr(self, name) is not None}
        if base is None:
            assert geometry is not None
            return dataclasses.replace(geometry, **fields)
        if geometry is not None:
            fields = {**{name: getattr(geometry, name) for name in _GEOMETRY}, **fields}
        return dataclasses.replace(base, **fields)

    def _geometry(self, base: InputContract | None) -> InputContract | None:
        if self.size is None and self.resize is None and self.crop is None:
            return None
        if isinstance(self.resize, tuple) and self.crop is not None:
            return self._squashed(self.resize, self.crop)
        straight = self.resize if isinstance(self.resize, tuple) else None
        sizes = {size for size in (self.size, self.crop, straight) if size is not None}
        if len(sizes) > 1:
            raise UsageError(
                f"--size, --crop and --resize name different sizes of the model's input: {sorted(sizes)} "
                "(height, width)."
            )
        if not sizes and base is None:
            raise UsageError("--resize needs the size of the model's input, too: give --size or --crop.")
        size = sizes.pop() if sizes else base.size  # type: ignore[union-attr]  # checked above
        if isinstance(self.resize, int):
            return InputContract(size, "short-side", self.resize)
        if self.crop is not None:
            raise UsageError("--crop needs --resize N, the short side in pixels from which the centre is cut.")
        return InputContract(size, self.resize if isinstance(self.resize, str) else "exact")

    def _squashed(self, sides: Size, crop: Size) -> InputContract:
        if self.size is not None and self.size != crop:
            raise UsageError(f"--size {self.size} and --crop {crop} (height, width) both name the model's input.")
        if sides[0] != sides[1]:
            raise UsageError(
                f"--resize {sides[0]}x{sides[1]} with --crop: both sides are squashed to the same number of pixels "
                f"before a crop, as in --resize {max(sides)}x{max(sides)}."
            )
        return InputContract(crop, "squash-crop", sides[0])
