"""PyTorch's filters: `torch.nn.functional.interpolate` on the CPU, as torchvision's transforms v2 call it on uint8.

The uint8 tensor goes in as it is, for PyTorch's integer arithmetic, but for `bilinear` on a CPU that has neither AVX2
nor AVX-512 and is no ARM one: there it is resized in float32 and rounded half to even (resize_image in
torchvision.transforms.v2.functional, 0.28). The integer arithmetic rounds and clips to 8 bits between columns and rows:
where bicubic overshoots, that is not float32's result rounded. `align_corners` is False. `nearest` takes the source
pixel floor(x * scale) as OpenCV's does, `nearest-exact` floor((x + 0.5) * scale) as Pillow's.
"""

from __future__ import annotations

import functools
import importlib.util
import platform
from typing import Any

import numpy as np

from seatrial.harness.data.source import Pixels
from seatrial.harness.pipeline.resizers.kind import Filter
from seatrial.packages import need

_INSTALL = "pip install 'seatrial[torch]'"


def missing() -> str | None:
    """Why these filters cannot run here; None where PyTorch is installed."""
    return f"PyTorch is not installed: {_INSTALL}" if importlib.util.find_spec("torch") is None else None


def _resize(mode: str, antialias: bool, pixels: Pixels, size: tuple[int, int]) -> Pixels:
    if pixels.shape[:2] == size:
        return pixels
    torch = _torch()
    # PyTorch warns of arrays that are read-only, as decoded images are. [N, C, H, W] with the channels last in memory,
    # which is how torchvision hands decoded images on; its strides count, those of NumPy's [None] are others.
    tensor = torch.from_numpy(np.require(pixels, requirements=("C", "W"))).unsqueeze(0).permute(0, 3, 1, 2)
    as_float = mode == "bilinear" and not _has_integer_bilinear(torch)
    resized = torch.nn.functional.interpolate(
        tensor.float() if as_float else tensor,
        size=list(size),
        mode=mode,
        align_corners=False if mode in ("bilinear", "bicubic") else None,
        antialias=antialias,
    )
    found: Pixels = (resized.round_().to(torch.uint8) if as_float else resized)[0].permute(1, 2, 0).numpy()
    return np.ascontiguousarray(found)


FILTERS: dict[str, Filter] = {
    f"torch-{mode}{'-antialias' if antialias else ''}": functools.partial(_resize, mode, antialias)
    for mode, antialias in (
        ("nearest", False),
        ("nearest-exact", False),
        ("bilinear", False),
        ("bilinear", True),
        ("bicubic", False),
        ("bicubic", True),
    )
}


def _torch() -> Any:
    return need("torch", "An interpolation torch-*", _INSTALL)


def _has_integer_bilinear(torch: Any) -> bool:
    arm = platform.machine() in ("aarch64", "arm64")
    return arm or torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")
