"""PyTorch's filters are what torchvision's transforms v2 do to uint8 tensors, with and without integer kernels."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import ROOT


@pytest.mark.parametrize("chosen", [{}, {"ATEN_CPU_CAPABILITY": "default"}], ids=["this machine's", "none"])
def test_every_filter_is_torchvisions(chosen):
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("resize_with_torchvision.py")],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", **chosen},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["DEFAULT" if chosen else torch.backends.cpu.get_cpu_capability()]
