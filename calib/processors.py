"""Which processors an int8 file is right for: found from its integers, written into its metadata, said in words."""

from __future__ import annotations

import json

import onnx

from seatrial.calib.overflow import Overflow, find_overflow
from seatrial.calib.recipes import recipe_for
from seatrial.errors import UnsupportedError

KEY = "seatrial.processors"
ALL, WIDE = "all", "all but x86 without VNNI"


def right_on(found: Overflow) -> str:
    """The processors on which no sum of the file's products saturates: `ALL` or `WIDE`."""
    return WIDE if found.layers else ALL


def describe_processors(proto: onnx.ModelProto) -> None:
    """Writes them, and the layers that decide it, into the metadata of a file with 8-bit layers."""
    found = find_overflow(proto)
    if not found.of:
        return
    others = [entry for entry in proto.metadata_props if entry.key != KEY]
    del proto.metadata_props[:]
    proto.metadata_props.extend(others)
    value = {"right_on": right_on(found), "overflowing": len(found.layers), "layers": found.of}
    proto.metadata_props.add(key=KEY, value=json.dumps(value))


def says(found: Overflow) -> str:
    """The same for people."""
    if not found.layers:
        return "right on every processor: no pair of its 8-bit products overflows 16 bits"
    return (
        "8-bit weights: right on x86 processors with VNNI or AMX, and on Arm; without VNNI, "
        f"{len(found.layers)} of {found.of} layers could saturate: a file made with --portable is right on all"
    )


def caution(found: Overflow) -> str:
    """For a file whose layers can overflow, on a processor that lets them."""
    return (
        f"the weights of {len(found.layers)} of {found.of} 8-bit layers ({len(found.layers) / found.of:.0%}) can "
        "overflow this processor's 16-bit sums of products, as it has no VNNI: its answers need not be those of the "
        "file. Quantize the float model with --portable, or here, where that is the default"
    )


def multiplies_on_processor(engine: str) -> bool:
    """True for an engine whose integer kernels are the processor's own."""
    try:
        return recipe_for(engine, "int8").sums_in_16_bits
    except UnsupportedError:
        return False
