"""Compares PyTorch's filters with torchvision's transforms v2 in a process of its own: prints the CPU's capability.

The environment's ATEN_CPU_CAPABILITY chooses it; torchvision takes another way to resize by it.
"""

import numpy as np
import torch

try:
    import torchvision
except RuntimeError:  # PyPI's torchvision, built for CUDA, beside a PyTorch for the CPU: declare what it lacks
    from torchvision_without_cuda import _BACKWARD, _OPERATORS

    library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in (*_OPERATORS, "deform_conv2d", *(f"_{name}_backward" for name in _BACKWARD)):
        library.define(f"{operator}(Tensor x) -> Tensor")
    import torchvision
from torchvision.transforms.v2 import functional

from seatrial.harness.pipeline.resizers import pytorch, resize

rng = np.random.default_rng(0)
for height, width, *target in (
    (40, 50, 20, 30),
    (31, 17, 64, 77),
    (90, 31, 45, 62),
    (375, 500, 256, 341),
    (1, 1, 5, 7),
    (9, 7, 1, 1),
    (9, 7, 3, 1),
    (24, 24, 24, 24),
):
    pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    for name in pytorch.FILTERS:
        mode = name.removeprefix("torch-").removesuffix("-antialias")
        expected = functional.resize(
            torch.from_numpy(pixels).permute(2, 0, 1),
            target,
            torchvision.transforms.InterpolationMode(mode),
            antialias=name.endswith("-antialias"),
        )
        found = resize(pixels, tuple(target), name)
        np.testing.assert_array_equal(found, expected.permute(1, 2, 0).numpy(), err_msg=f"{name} {target}")
print(torch.backends.cpu.get_cpu_capability())
