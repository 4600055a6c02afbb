"""A real MLServer beside the tests, in the environment that `make mlserver` makes."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
COMMAND = HERE.parent / ".venv/mlserver/bin/mlserver"
_PATIENCE_S = 120


@contextlib.contextmanager
def mlserver(model: Path, folder: Path) -> Iterator[tuple[str, str]]:
    """The addresses over HTTP and gRPC of an ONNX file that is served meanwhile."""
    ports = dict(zip(("http_port", "grpc_port", "metrics_port"), free_ports(3), strict=True))
    folder.mkdir()
    settings = {**ports, "host": "127.0.0.1", "parallel_workers": 0, "debug": False}
    (folder / "settings.json").write_text(json.dumps(settings))
    named = {"name": "m", "implementation": "onnx_model.OnnxModel", "parameters": {"uri": str(model), "version": "1"}}
    (folder / "model-settings.json").write_text(json.dumps(named))
    environment = {**os.environ, "PYTHONPATH": str(HERE / "mlserver")}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [COMMAND, "start", folder], stdout=log, stderr=log, env=environment, start_new_session=True
        )
    try:
        http = f"http://127.0.0.1:{ports['http_port']}/v2/models/m"
        _wait(http, process, folder / "log")
        yield http, f"grpc://127.0.0.1:{ports['grpc_port']}/m"
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in found]


def _wait(http: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{http}/ready", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(f"MLServer did not start:\n{log.read_text()[-4000:]}")
