"""What calibration found odd, and what it left in float: kept in the file's metadata, where a cache keeps it, too."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import onnx

from seatrial.calib.histogram import SIDE, Histogram
from seatrial.calib.options import QuantizeOptions
from seatrial.exporters.model import DeployableModel

KEY = "seatrial.calibration"
# Below it, minima and maxima still move with every image added. TensorRT's guide names 500 images for ImageNet.
_FEW_IMAGES = 32
_LISTED = 5
# Of the values at the bound of a Clip: a few percent are usual for Relu6, most of them for images of 0 to 255 where the
# model wants 0 to 1.
_CUT = 0.25


def warnings_of(model: DeployableModel) -> tuple[str, ...]:
    """What its calibration found odd, one sentence each; empty for a model that seatrial did not quantize."""
    return tuple(calibration_of(model).get("warnings", ()))


def kept_float_of(model: DeployableModel) -> dict[str, str]:
    """Nodes that calibration left in float -> why."""
    return dict(calibration_of(model).get("kept_float", {}))


def calibration_of(model: DeployableModel) -> dict[str, Any]:
    """What the file says of its calibration: images, ranges, warnings, kept_float, and where the rest is smaller than
    float32 `rest` and kept_float32; empty where it says nothing.
    """
    for entry in model.proto.metadata_props:
        if entry.key == KEY:
            found: dict[str, Any] = json.loads(entry.value)
            return found
    return {}


def describe(
    proto: onnx.ModelProto, *, images: int, options: QuantizeOptions, warnings: Iterable[str], kept: Mapping[str, str]
) -> None:
    """Writes into the metadata what the functions above read."""
    value = {
        "quantizer": options.quantizer,
        "images": images,
        "ranges": options.ranges,
        "warnings": list(warnings),
        "kept_float": dict(kept),
    }
    others = [entry for entry in proto.metadata_props if entry.key != KEY]
    del proto.metadata_props[:]
    proto.metadata_props.extend(others)
    proto.metadata_props.add(key=KEY, value=json.dumps(value))


def describe_rest(proto: onnx.ModelProto, rest: str, float32: Mapping[str, str]) -> None:
    """Adds what the values that are not quantized are written in. float32: nodes that stay so all the same -> why."""
    found: dict[str, Any] = next((json.loads(entry.value) for entry in proto.metadata_props if entry.key == KEY), {})
    others = [entry for entry in proto.metadata_props if entry.key != KEY]
    del proto.metadata_props[:]
    proto.metadata_props.extend(others)
    proto.metadata_props.add(key=KEY, value=json.dumps({**found, "rest": rest, "kept_float32": dict(float32)}))


def find_warnings(
    images: int, histograms: Mapping[str, Histogram], ceilings: Mapping[str, float], not_equalized: list[str]
) -> list[str]:
    """One sentence for each thing that is odd about a calibration.

    ceilings: values behind a Clip -> its upper bound. not_equalized: nodes that equalisation was asked for and left.
    """
    found = []
    if images < _FEW_IMAGES:
        found.append(
            f"{images} calibration images are few: ranges hang on single ones. Give at least {_FEW_IMAGES}, better "
            "some hundreds."
        )
    zero = [name for name, one in histograms.items() if one.low == one.high == 0]
    if zero:
        found.append(f"Always zero on the calibration images: {_listed(zero)}. What reads it learns nothing from it.")
    constant = [name for name, one in histograms.items() if one.low == one.high != 0]
    if constant:
        found.append(f"The same on all calibration images, at every place: {_listed(constant)}.")
    saturated = [name for name, limit in ceilings.items() if name in histograms and _is_cut(histograms[name], limit)]
    if saturated:
        found.append(
            f"More than {_CUT:.0%} of the values are at the upper bound of their Clip: {_listed(saturated)}. Are the "
            "images scaled as the model was trained?"
        )
    if not_equalized:
        found.append(
            f"Not equalized, as the images reach the bound of the Clip between: {_listed(not_equalized)}. Equalizing "
            "them would change what the network computes."
        )
    return found


def _is_cut(histogram: Histogram, limit: float) -> bool:
    if histogram.exponent is None or histogram.high < limit or histogram.low == histogram.high:
        return False
    first = min(SIDE + int(limit / histogram.width), 2 * SIDE - 1)
    return int(histogram.counts[first:].sum()) > _CUT * histogram.total


def _listed(names: list[str]) -> str:
    rest = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {rest} more" if rest > 0 else "")
