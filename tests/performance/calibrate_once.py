"""Calibrates one model with one quantizer in a process of its own, and prints what it took as JSON.

python calibrate_once.py MODEL IMAGES.npz QUANTIZER RANGES OUT.onnx
"""

from __future__ import annotations

import dataclasses
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np

from seatrial import calib, exporters
from seatrial.calib import QuantizeOptions
from seatrial.exporters.presets import PRESETS

HALF = (0.5, 0.5, 0.5)


class Images:
    """Calibration images from an archive."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as archive:
            self.images = archive["images"]
        self.digest = path.name

    def __len__(self) -> int:
        return len(self.images)

    def batches(self, size: int):  # type: ignore[no-untyped-def]
        for start in range(0, len(self.images), size):
            yield self.images[start : start + size]


def load_mobilenet(path: Path) -> exporters.DeployableModel:
    """The shared MobileNet with its contract."""
    return exporters.load(path, contract=dataclasses.replace(PRESETS["imagenet"], mean=HALF, std=HALF))


def main() -> None:
    model_path, images_path, quantizer, ranges, out = sys.argv[1:]
    model, images = load_mobilenet(Path(model_path)), Images(Path(images_path))
    options = QuantizeOptions(quantizer=quantizer, ranges=ranges)
    begin = time.perf_counter()
    quantized = calib.quantize(model, "int8", engine="onnxruntime", images=images, options=options)
    seconds = time.perf_counter() - begin
    Path(out).write_bytes(quantized.onnx_bytes)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB on Linux, bytes on macOS
    print(json.dumps({"seconds": seconds, "peak_mib": peak / (2**20 if sys.platform == "darwin" else 2**10)}))


if __name__ == "__main__":
    main()
