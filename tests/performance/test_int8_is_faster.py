"""What INT8 is for: on kernels that exist, it answers faster than float, measured in turn in one run."""

import json

import pytest
from conftest import bench

from seatrial.engines.cpu import processor

pytestmark = pytest.mark.performance


@pytest.mark.parametrize(
    ("name", "words", "least"),
    [
        (
            "cifar10_resnet20",
            ["--preset", "cifar10", "--data", "cifar10/test.npz", "--calib", "cifar10/calib.npz"],
            1.3,
        ),
        (
            "gtsrbnet64",
            ["--size", 64, "--mean", 0.5, "--std", 0.5, "--data", "gtsrb/test", "--calib", "gtsrb/calib"],
            1.2,
        ),
    ],
)
@pytest.mark.parametrize("portable", [False, True], ids=["for this processor", "portable"])
def test_int8_single_stream_beats_fp32(shared, tmp_path, name, words, least, portable):
    words = [shared / "data" / word if "/" in str(word) else word for word in words]
    out = tmp_path / "run"
    done = bench(
        [
            "--model",
            shared / f"models/{name}.onnx",
            *words,
            "--limit",
            100,
            "--conditions",
            "clean",
            "--out",
            out,
            *(["--portable"] if portable else []),
        ]
    )
    assert done.returncode == 0, done.stderr
    fp32, int8 = (
        t["latency"]["single_stream"]["p50_ms"] for t in json.loads((out / "summary.json").read_text())["targets"]
    )
    how = f"{'VNNI' if processor().has_vnni else 'no VNNI'}{', portable' if portable else ''}"
    print(f"\n{name}, {how}: fp32 p50 {fp32:.3f} ms, int8 p50 {int8:.3f} ms, ratio {fp32 / int8:.2f}")
    assert fp32 / int8 >= least
