"""An input contract spelled as the command's flags."""

from __future__ import annotations

from seatrial.exporters import InputContract


def flags_of(contract: InputContract) -> tuple[str, ...]:
    """All flags that, given to any command, mean this contract, whatever the model carries; words for a shell.

    >>> " ".join(flags_of(InputContract((32, 48), mean=(0.5,) * 3, std=(0.25,) * 3)))
    '--size 32x48 --resize none --decoder pillow --divisor 255 --mean 0.5 --std 0.25 --color rgb'
    """
    size = f"{contract.size[0]}" if contract.size[0] == contract.size[1] else f"{contract.size[0]}x{contract.size[1]}"
    side = contract.resize_to
    if contract.crops:
        sides = f"{side}" if contract.resize == "short-side" else f"{side}x{side}"
        words = ["--resize", sides, "--crop", size]
        if contract.crop_offset != "half-even":
            words += ["--crop-offset", contract.crop_offset]
    else:
        words = ["--size", size, "--resize", contract.resize]
    if contract.resize == "letterbox":
        words += ["--pad-value", f"{contract.pad_value}"]
    if contract.resize != "none":
        words += ["--interpolation", contract.interpolation]
    words += ["--decoder", contract.decoder]
    if contract.orientation != "ignore":
        words += ["--orientation", contract.orientation]
    if contract.dtype != "uint8":
        words += ["--divisor", _spell(contract.divisor)]
        words += ["--mean", *_triple(contract.mean), "--std", *_triple(contract.std)]
    return (*words, "--color", contract.color)


def _triple(values: tuple[float, ...]) -> list[str]:
    return [_spell(value) for value in (values[:1] if len(set(values)) == 1 else values)]


def _spell(value: float) -> str:
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)
