"""NVIDIA DALI's decoders.image on the CPU, with its defaults: libjpeg-turbo, and nvImageCodec's other decoders.

DALI decodes in pipelines, each used by one thread at a time: every worker has one of its own, for one image.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from PIL import Image

from seatrial.harness.data.source import Pixels
from seatrial.harness.pipeline.decoders.registry import Loaded

_INPUT = "encoded"


def load() -> Loaded:
    """Raises ImportError where DALI is not installed."""
    import nvidia.dali as dali
    from nvidia.dali import fn, types

    # One batch deep: by default a run wants the inputs of the next one too.
    @dali.pipeline_def(batch_size=1, num_threads=1, device_id=None, prefetch_queue_depth=1)  # type: ignore[untyped-decorator]
    def reading() -> Any:
        encoded = fn.external_source(name=_INPUT, device="cpu")
        return fn.decoders.image(encoded, device="cpu", output_type=types.RGB, adjust_orientation=False)

    here = threading.local()

    def decode(image: Image.Image, content: bytes) -> Pixels:
        pipeline = getattr(here, "pipeline", None)
        if pipeline is None:
            pipeline = reading()
            pipeline.build()
        here.pipeline = None  # after an error a pipeline is of no use
        pipeline.feed_input(_INPUT, [np.frombuffer(content, np.uint8)])
        (output,) = pipeline.run()
        pixels = np.array(output.at(0))
        here.pipeline = pipeline
        return pixels

    return Loaded(dali.__version__, decode)
