"""ONNX Runtime tells nobody that it was used."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_onnx_runtime_writes_nothing_into_the_users_cache(tmp_path):
    env = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    env |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT)}
    code = "from seatrial.engines import ENGINES; ENGINES['onnxruntime'].runtime().InferenceSession"
    subprocess.run([sys.executable, "-c", code], env=env, check=True)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
