"""What processes of others report: factories, the load generator, NVIDIA's tools."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np

from fuzz import mutators
from fuzz.readers.table import reader, text, values


def _messages(root: Path) -> list[bytes]:
    stream = io.BytesIO()
    np.savez(stream, np.frombuffer(b'{"ask": "export"}', np.uint8), np.zeros((2, 3), np.float32))
    return [stream.getvalue()]


def _message_errors() -> tuple[type[BaseException], ...]:
    from seatrial.exporters.torch_sources.messages import MessageError

    return (MessageError, EOFError, TimeoutError)


@reader("message of a factory", _messages, mutators=mutators.ZIP, allowed=_message_errors())
def _read_message(path: Path) -> None:
    import socket
    import threading

    from seatrial.exporters.torch_sources.messages import receive

    content = path.read_bytes()
    one, other = socket.socketpair()
    with one, other:

        def say() -> None:
            with contextlib.suppress(OSError):
                one.sendall(len(content).to_bytes(8, "little") + content)
                one.shutdown(socket.SHUT_WR)

        saying = threading.Thread(target=say)
        saying.start()
        try:
            receive(other, 20)
        finally:
            other.close()
            saying.join()


@reader(
    "log of the load generator",
    text(
        ':::MLLOG {"key": "result_validity", "value": "VALID"}',
        ':::MLLOG {"key": "result_50.00_percentile_latency_ns", "value": 1200}',
        ':::MLLOG {"key": "result_query_count", "value": 100}',
        ':::MLLOG {"key": "early_stopping_latency_ss", "value": 1300}',
        ':::MLLOG {"key": "result_min_duration_met", "value": true}',
    ),
    mutators=(*mutators.BYTES, mutators.deep, mutators.long_line),
)
def _read_log(path: Path) -> None:
    from seatrial.engines.places.answers import well_formed
    from seatrial.engines.timing.loadgen_log import figures

    with well_formed("onnxruntime"):
        figures(path.read_text("utf-8", "replace"), "single-stream")


@reader(
    "nvidia-smi",
    text("NVIDIA H200, 345, 1593, 1980, 30, 76.5, 700.00, 1, 0x0000000000000001", "A, [N/A], 1, 2, 3, 4, 5, 6, 0x8"),
    mutators=mutators.TEXT,
)
def _read_smi(path: Path) -> None:
    from seatrial.engines.machine.nvidia_smi import parse

    parse(path.read_text("utf-8", "replace"))


_INSPECTED = {
    "Layers": [
        {
            "Name": "conv1 + relu1",
            "LayerType": "Conv",
            "TacticName": "i8",
            "Inputs": [{"Name": "a", "Format/Datatype": "Int8"}],
            "Metadata": "[ONNX Layer: conv1]",
            "Weights": {"Type": "Int8", "Count": 4},
        },
        {"Name": "{ForeignNode[conv2...fc]}", "LayerType": "Myelin", "Inputs": [], "Constants": [{"Dimensions": [2]}]},
    ],
    "Bindings": [],
}


@reader("TensorRT's inspector", values(_INSPECTED), mutators=mutators.JSON)
def _read_inspector(path: Path) -> None:
    from seatrial.engines.tensorrt.inspector import read_layers

    read_layers(path.read_text("utf-8", "replace"))
