"""Engine `kserve` against a real Triton, as nvidia-pytriton brings it: the bits of ONNX Runtime, and its own clock."""

import dataclasses
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import mlservers
import numpy as np
import pytest
from conftest import make_model

from seatrial import engines
from seatrial.engines import BuildRequest
from seatrial.engines.kserve.credentials import ENDPOINT

pytestmark = pytest.mark.long

HERE = Path(__file__).resolve().parent.parent
PYTHON = HERE.parent / ".venv/triton/bin/python"
_PATIENCE_S = 240
CONFIG = """name: "m"
backend: "python"
max_batch_size: 4
input [ { name: "input" data_type: TYPE_FP32 dims: [3, 16, 16] } ]
output [ { name: "logits" data_type: TYPE_FP32 dims: [4] } ]
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("triton") / "small.onnx")


@pytest.fixture(scope="module")
def served(model, tmp_path_factory):
    if not PYTHON.is_file():
        pytest.skip(f"no Triton at {PYTHON}: run make triton")
    ports = dict(zip(("http", "grpc", "metrics"), mlservers.free_ports(3), strict=True))
    folder = tmp_path_factory.mktemp("served")
    log, command, environment = folder / "log", *_server(folder, model)
    command += [f"--{name}-port={port}" for name, port in ports.items()]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream, env=environment, start_new_session=True)
    address = f"http://127.0.0.1:{ports['http']}/v2/models/m"
    try:
        end = time.monotonic() + _PATIENCE_S
        while not _ready(address):
            if process.poll() is not None or time.monotonic() > end:
                pytest.skip(f"Triton does not start here: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.5)
        yield {"http": address, "grpc": f"grpc://127.0.0.1:{ports['grpc']}/m"}
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _server(folder, model):
    """The command and the variables of a Triton that serves the model by its backend of Python."""
    (package,) = (PYTHON.parent.parent / "lib").glob("python3.*/site-packages")
    version, server = package.parent.name.removeprefix("python"), package / "pytriton/tritonserver"
    repository, backends = folder / "models", folder / "backends"
    (repository / "m/1").mkdir(parents=True)
    (repository / "m/config.pbtxt").write_text(CONFIG)
    (repository / "m/1/model.py").write_text((HERE / "mlserver/triton_model.py").read_text())
    shutil.copy(model, repository / "m/1/model.onnx")
    (repository / "m/1/packages").symlink_to(package)
    shutil.copytree(server / "backends", backends)
    shutil.copy(server / f"python_backend_stubs/{version}/triton_python_backend_stub", backends / "python")
    here = ["--http-address=127.0.0.1", "--grpc-address=127.0.0.1", "--metrics-address=127.0.0.1"]
    command = [
        server / "bin/tritonserver",
        f"--model-repository={repository}",
        f"--backend-directory={backends}",
        *here,
    ]
    return command, {**os.environ, "LD_LIBRARY_PATH": str(package / "nvidia_pytriton.libs")}


def _ready(address):
    try:
        with urllib.request.urlopen(f"{address}/ready", timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_the_bits_are_those_of_onnx_runtime_here_and_the_servers_clock_is_told(
    model, served, batch, protocol, monkeypatch
):
    monkeypatch.setenv(ENDPOINT, served[protocol])
    request = BuildRequest(model.read_bytes(), "input", "logits", (3, 16, 16), 4)
    with engines.build("onnxruntime", request) as engine:
        expected = engine.infer(batch)
    engines.ENGINES["kserve"].check_device(protocol)
    with engines.build("kserve", dataclasses.replace(request, device=protocol)) as engine:
        np.testing.assert_array_equal(engine.infer(batch), expected)
        described = engine.describe()
        assert described["server"].startswith("triton 2.")
        assert (described["data"], described["most_images"]) == ("binary", 4)
        phases = engine.phases(batch[:1])
        assert phases.keys() == {"queue", "h2d", "compute", "d2h"}
        assert 0 < phases["compute"] < 1e4
        assert engine.standing()["version"] == engine.version()
