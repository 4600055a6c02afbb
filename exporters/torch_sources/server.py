"""The process in which the user's own code runs: it loads a factory's module, exports it, and answers as it does."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np

from seatrial.errors import SeatrialError
from seatrial.exporters.contract import InputContract
from seatrial.exporters.torch_sources.messages import Array, Message, receive, send


def main(handle: int, path: str, factory: str, weights: str | None) -> None:
    """Serves one source until the run is gone. handle: of the socket. weights: file of a state dict."""
    faulthandler.enable(all_threads=False)  # those of ours say nothing
    threading.Thread(target=_leave_with_the_run, daemon=True).start()
    with contextlib.suppress(OSError):  # where memory runs out, the system ends this process and not the run
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    channel = socket.socket(fileno=handle)
    source: Any = None
    with contextlib.suppress(EOFError, OSError):
        while True:
            message, arrays = receive(channel)
            try:
                if source is None:
                    source = _loaded(Path(path), factory, None if weights is None else Path(weights))
                answer, found = _answer(source, message, arrays)
            except SeatrialError as error:
                kind = next(kind for kind in type(error).__mro__ if kind.__module__ == "seatrial.errors")
                answer, found = {"error": kind.__name__, "says": str(error)}, []
            except BaseException as error:  # the user's code raises what it likes, sys.exit() included
                answer, found = (
                    {"error": "BadInputError", "says": f"{path}:{factory}: the module failed: {error!r}."},
                    [],
                )
            send(channel, answer, found)
    sys.stdout.flush()
    os._exit(0)


def _loaded(path: Path, factory: str, weights: Path | None) -> Any:
    from seatrial.exporters.torch_sources.factory import module_from_factory
    from seatrial.exporters.torch_sources.module import TorchSource
    from seatrial.exporters.torch_sources.state_dict import load_weights

    module = module_from_factory(path, factory)
    if weights is not None:
        load_weights(module, weights)
    return TorchSource(factory, module)


def _answer(source: Any, message: Message, arrays: list[Array]) -> tuple[Message, list[Array]]:
    ask = message["ask"]
    if ask == "export":
        proto = source.to_onnx(InputContract.from_dict(message["contract"]), batch=message["batch"])
        return {}, [np.frombuffer(proto.SerializeToString(deterministic=True), np.uint8)]
    source.batch, source.output = message["batch"], message["output"]
    if ask == "infer":
        return {}, [source.infer(arrays[0])]
    if ask == "intermediates":
        values = source.intermediates(arrays[0])
        return {"names": list(values)}, list(values.values())
    return {}, []


def _leave_with_the_run() -> None:
    while os.read(0, 1 << 10):
        pass
    os._exit(0)
