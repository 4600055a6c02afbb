"""Corruptions, resizes and colours: the stored digests, on this processor and on others."""

import json
import os
import platform
import subprocess
import sys

import pytest
from conftest import ROOT

SCRIPT = ROOT / "tests/processors/pixels.py"
DIGESTS = ROOT / "tests/processors/pixels.json"
IS_X86 = platform.machine() == "x86_64"

# OpenCV and NumPy choose their code by the processor unless told to leave features unused; Intel's IPP inside OpenCV
# chooses on its own.
AVX512 = "X86_V4 AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR"
LESSER = {
    "as it is": {},
    "without AVX-512": {"OPENCV_CPU_DISABLE": "AVX512-SKX", "NPY_DISABLE_CPU_FEATURES": AVX512},
    "without AVX2": {
        "OPENCV_CPU_DISABLE": "AVX512-SKX,AVX2,FMA3",
        "NPY_DISABLE_CPU_FEATURES": f"{AVX512} X86_V3 AVX2 FMA3",
        "OPENCV_IPP": "sse42",
    },
    "with SSE3 alone": {
        "OPENCV_CPU_DISABLE": "AVX512-SKX,AVX2,FMA3,FP16,AVX,SSE4.2,SSE4.1",
        "NPY_DISABLE_CPU_FEATURES": f"{AVX512} X86_V3 AVX2 FMA3",
        "OPENCV_IPP": "disabled",
    },
}


def found(*command, part, environment=None):
    done = subprocess.run(
        [*map(str, command), SCRIPT, part],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def differing(digests):
    stored = json.loads(DIGESTS.read_text())
    assert set(digests) <= set(stored)
    return [name for name, digest in digests.items() if digest != stored[name]]


@pytest.mark.parametrize("features", LESSER)
def test_all_pixels_are_the_stored_ones(features):
    if features != "as it is" and not IS_X86:
        pytest.skip("switches off features of x86 processors")
    part = "few" if features == "without AVX-512" else "whole"
    digests = found(sys.executable, part=part, environment=LESSER[features])
    assert len(digests) > (40 if part == "few" else 300)
    # torchvision, and so this filter, takes other arithmetic where PyTorch has no AVX2: docs/protocols.md.
    import torch

    if torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):
        digests = {name: digest for name, digest in digests.items() if not name.startswith("resize/torch-bilinear")}
    assert differing(digests) == []


def test_some_pixels_are_the_stored_ones_on_a_processor_with_avx2_alone(emulated_x86):
    digests = found(*emulated_x86, sys.executable, part="few")
    assert len(digests) > 40
    assert differing(digests) == []


def test_some_pixels_are_the_stored_ones_on_arm(arm_python):
    digests = found(arm_python, part="few")
    assert len(digests) > 40
    assert differing(digests) == []
