"""nvJPEG, NVIDIA's JPEG decoder on the GPU, by nvImageCodec. It has not run on a GPU yet; its calls have, on a CPU.

Only the GPU's decoders are allowed, so that no file is decoded on the CPU unseen. The hardware decoder of some GPUs is
left out: the same pixels come from every GPU that has CUDA cores.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from PIL import Image

from seatrial.harness.data.source import Pixels
from seatrial.harness.pipeline.decoders.header import JPEG
from seatrial.harness.pipeline.decoders.jpeg import is_whole
from seatrial.harness.pipeline.decoders.pillow import rgb_of
from seatrial.harness.pipeline.decoders.registry import Loaded


def load() -> Loaded:
    """Raises ImportError where nvImageCodec is not installed, RuntimeError where there is no GPU or driver."""
    from nvidia import nvimgcodec

    kinds = nvimgcodec.BackendKind
    backends = [nvimgcodec.Backend(kind) for kind in (kinds.GPU_ONLY, kinds.HYBRID_CPU_GPU)]
    try:
        decoder = nvimgcodec.Decoder(max_num_cpu_threads=1, backends=backends)
    except RuntimeError as error:
        raise RuntimeError("nvImageCodec finds no NVIDIA GPU with a driver that serves its CUDA version") from error
    return with_decoder(decoder)


def with_decoder(decoder: Any) -> Loaded:
    """By an nvimgcodec.Decoder, whatever it runs on; calls from several threads come one after the other."""
    from nvidia import nvimgcodec

    lock = threading.Lock()
    params = nvimgcodec.DecodeParams(apply_exif_orientation=False, color_spec=nvimgcodec.ColorSpec.SRGB)

    def decode(image: Image.Image, content: bytes) -> Pixels:
        if image.format not in JPEG:
            return np.asarray(rgb_of(image))
        if not is_whole(content):
            raise ValueError("the file ends before the picture does")
        with lock:
            found = decoder.decode(content, params=params)
            if found is None:
                raise ValueError("nvJPEG does not decode this file; --decoder pillow may")
            return np.array(found.cpu())

    return Loaded(nvimgcodec.__version__, decode)
