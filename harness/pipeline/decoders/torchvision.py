"""torchvision.io.decode_image on the CPU, as torchvision's newer examples decode: libjpeg-turbo, libpng and libwebp.

torchvision 0.29 calls it deprecated, in favour of TorchCodec.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from seatrial.harness.data.source import Pixels
from seatrial.harness.pipeline.decoders.registry import Loaded
from seatrial.packages import PackageError, torchvision_line

_FORMATS = ("JPEG", "MPO", "PNG", "WEBP")


def load() -> Loaded:
    """Raises ImportError, RuntimeError or PackageError where torchvision is missing, or built for another PyTorch."""
    import torch
    import torchvision
    from torchvision.io import ImageReadMode, decode_image

    if not torchvision.io.image._has_image_ops():
        mend = torchvision_line(torch.__version__)
        raise PackageError(
            f"torchvision {torchvision.__version__} is installed, but its image library does not load with PyTorch "
            f"{torch.__version__}. Mend it: {mend}",
            mend,
        )

    def decode(image: Image.Image, content: bytes) -> Pixels:
        if image.format not in _FORMATS:  # GIF too, all of whose frames it would decode at once
            raise ValueError(f"torchvision is given no {image.format} file; --decoder pillow may read it")
        raw = torch.from_numpy(np.frombuffer(content, np.uint8).copy())
        tensor = decode_image(raw, mode=ImageReadMode.RGB, apply_exif_orientation=False)
        pixels: npt.NDArray[Any] = tensor.permute(1, 2, 0).contiguous().numpy()
        # What torchvision.transforms.v2.ToDtype(torch.uint8, scale=True) does.
        return (pixels >> 8).astype(np.uint8) if pixels.dtype == np.uint16 else pixels

    return Loaded(torchvision.__version__, decode)
