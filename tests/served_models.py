"""A small server of the Open Inference Protocol v2 over HTTP, which answers by ONNX Runtime, and misbehaves as it is
told.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

# Takes over the answer to an inference of that number, counted from 1: returns True where it did.
Fault = Callable[["Handler", int], bool]
_TYPES = {"FP32": "<f4", "FP16": "<f2", "UINT8": "u1"}


class Served:
    """faults: looked at for each inference. told: of the model's metadata beside its name, None to tell nothing.
    binary: whether bytes are taken. token: that is asked for. stats: whether Triton's extension is there. config:
    likewise.
    """

    def __init__(self, model: Path, **more: Any) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(model.read_bytes(), options, providers=["CPUExecutionProvider"])
        self.fault: Fault | None = more.get("fault")
        self.told: dict[str, Any] = more.get("told", {})
        self.binary, self.stats = more.get("binary", True), more.get("stats", False)
        self.token, self.config = more.get("token"), more.get("config")
        self.server_version: Callable[[], str] = lambda: "1.0"
        self.version = "1"
        self.infers, self.paths, self.ready = 0, list[str](), True
        self.sizes: list[int] = []
        # Of 48 images in batches of 32: seen once trials run, which are behind all that is built and timed.
        self.rest, self.timed = 16, False
        self.heard: list[dict[str, str]] = []
        self.lock = threading.Lock()

    def answer(self, images: np.ndarray) -> np.ndarray:
        with self.lock:
            self.sizes.append(len(images))
        return self.session.run(None, {self.session.get_inputs()[0].name: images})[0]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    @property
    def served(self) -> Served:
        return self.server.served  # type: ignore[attr-defined]

    def log_message(self, *words: object) -> None:
        pass

    def say(self, content: bytes | Any, status: int = 200, **headers: str) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        served = self.served
        served.paths.append(self.path)
        if served.token and self.headers.get("Authorization") != f"Bearer {served.token}":
            self.say({"error": f"not you, {self.headers.get('Authorization')}"}, 401)
        elif self.path.endswith("/ready"):
            self.say({"ready": served.ready}, 200 if served.ready else 503)
        elif self.path.endswith("/v2"):
            self.say({"name": "tests", "version": served.server_version(), "extensions": []})
        elif self.path.endswith("/config") and served.config is not None:
            self.say(served.config)
        elif self.path.endswith("/stats") and served.stats:
            count, parts = served.infers, ("queue", "compute_input", "compute_infer", "compute_output")
            told = {name: {"count": count, "ns": count * 1000 * (place + 1)} for place, name in enumerate(parts)}
            self.say(
                {"model_stats": [{"name": "m", "inference_stats": {"success": {"count": count, "ns": 1}, **told}}]}
            )
        elif self.path.endswith(("/config", "/stats")):
            self.say({"error": "no such thing"}, 404)
        else:
            self.say({"name": "m", "versions": [served.version], "platform": "onnx", **served.told})

    def do_POST(self) -> None:
        served = self.served
        content = self.rfile.read(int(self.headers["Content-Length"]))
        served.heard.append(dict(self.headers.items()))
        head = self.headers.get("Inference-Header-Content-Length")
        length = len(content) if head is None else int(head)
        self.asked = asked = json.loads(content[:length])
        (one,) = asked["inputs"]
        served.timed = served.timed or one["shape"][0] == served.rest
        with served.lock:
            served.infers += 1
            number = served.infers
        if served.fault is not None and served.fault(self, number):
            return
        if head is not None and not served.binary:
            self.say({"error": "no bytes, please", "input": "x" * 200000}, 422)
            return
        kind = np.dtype(_TYPES[one["datatype"]])
        values = np.frombuffer(content[length:], kind) if head is not None else np.array(one["data"], kind)
        scores = served.answer(values.reshape(one["shape"])).astype("<f4")
        self.say_scores(scores, binary=head is not None)

    def say_scores(self, scores: np.ndarray, *, binary: bool, **more: Any) -> None:
        name, version = self.served.session.get_outputs()[0].name, self.served.version
        tensor = {"name": name, "shape": list(scores.shape), "datatype": "FP32", **more}
        answer = {"model_name": "m", "model_version": version, "outputs": [tensor]}
        if not binary:
            tensor["data"] = scores.reshape(-1).tolist()
            self.say(answer)
            return
        raw = scores.tobytes()
        tensor["parameters"] = {"binary_data_size": len(raw)}
        text = json.dumps(answer).encode()
        self.say(text + raw, Inference_Header_Content_Length=str(len(text)))


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who asks may go at any time."""


@contextlib.contextmanager
def serving(model: Path, tls: ssl.SSLContext | None = None, **more: Any) -> Iterator[tuple[str, Served]]:
    """The address of a model that is served meanwhile, and what serves it."""
    server = _Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.served = served = Served(model, **more)  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}/v2/models/m", served
    finally:
        server.shutdown()
        server.server_close()


def after(calm: int, fault: Callable[[Handler], None]) -> Fault:
    """From the inference behind `calm` on."""

    def misbehave(handler: Handler, number: int) -> bool:
        if number <= calm:
            return False
        fault(handler)
        return True

    return misbehave


def dies(handler: Handler) -> None:
    """The connection ends without a word."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def hangs(handler: Handler) -> None:
    time.sleep(60)


def another_shape(handler: Handler) -> None:
    handler.say_scores(np.zeros((1, 3), np.float32), binary=True)


def nan(handler: Handler) -> None:
    handler.say(b'{"outputs": [{"name": "logits", "datatype": "FP32", "shape": [1, 4], "data": [NaN, 1, 1, 1]}]}')


def nan_for_all(handler: Handler) -> None:
    handler.say_scores(np.full((len_of(handler), 4), np.nan, np.float32), binary=True)


def len_of(handler: Handler) -> int:
    """Images of the query that is answered."""
    return int(handler.asked["inputs"][0]["shape"][0])


def labels(handler: Handler) -> None:
    handler.say({"outputs": [{"name": "logits", "datatype": "INT64", "shape": [1, 1], "data": [3]}]})


def lies_about_size(handler: Handler) -> None:
    handler.say_scores(np.zeros((1, 4), np.float32), binary=True, shape=[1 << 40, 4])


def garbage(handler: Handler) -> None:
    handler.say(b"<html>\x1b[2J it works </html>")


def deep(handler: Handler) -> None:
    handler.say(b"[" * 60000)


def huge(handler: Handler) -> None:
    """Without a length, and without an end."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    with contextlib.suppress(OSError):
        while True:
            handler.wfile.write(b"100000\r\n" + b"x" * (1 << 20) + b"\r\n")


def told_huge(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(1 << 50))
    handler.end_headers()


def cut_short(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    handler.wfile.write(b"{")
    handler.close_connection = True


def no_http(handler: Handler) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n")
    handler.close_connection = True


def redirects(to: str) -> Callable[[Handler], None]:
    return lambda handler: handler.say(b"", 307, Location=to)


def status(code: int) -> Callable[[Handler], None]:
    return lambda handler: handler.say({"error": "as it is told"}, code)
