"""A factory's module in a process of its own: the user's code may exit, crash or hang there, and the run says so."""

from __future__ import annotations

import collections
import contextlib
import os
import socket
import subprocess
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import onnx

from seatrial import child, errors
from seatrial.cache import cache_root
from seatrial.errors import BadInputError, SeatrialError, UsageError
from seatrial.exporters.contract import InputContract
from seatrial.exporters.torch_sources.messages import Array, Message, MessageError, receive, send
from seatrial.files import no_file
from seatrial.text import printable, shown

# A factory may download its weights, and an export of a large network takes minutes.
LOAD_S, EXPORT_S, CALL_S = 600.0, 3600.0, 300.0
_TAIL_LINES, _LONGEST_LINE = 24, 400


class PlacedSource:
    """What `file.py:factory` makes, as a `TorchSource` that lies elsewhere: the same answers, and BadInputError where
    its process ends or answers nothing in time.

    name: for people. batch: None if free. output: which of several outputs holds the logits.
    """

    contract: InputContract | None = None
    class_names: tuple[str, ...] | None = None

    def __init__(self, path: Path, factory: str, weights: Path | None) -> None:
        """Runs the file, which is the user's own code. UsageError where there is no such file or name, BadInputError
        where the code fails, gives something else, or does not end.
        """
        if missing := no_file(path):
            raise UsageError(missing)
        self.name = factory if weights is None else weights.stem
        self.batch: int | None = None
        self.output = 0
        self._where = f"{path}:{factory}"
        mine, theirs = socket.socketpair()
        words = [theirs.fileno(), os.fspath(path), factory, None if weights is None else os.fspath(weights)]
        with theirs:
            self._process = child.start(
                child.python("seatrial.exporters.torch_sources.server", words),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno()],
                env={**os.environ, **_own_folders()},
            )
        self._channel = mine
        self._tail: collections.deque[str] = collections.deque(maxlen=_TAIL_LINES)
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=_listen, args=(self._process.stdout, self._tail), daemon=True)
        self._reader.start()
        self.close = weakref.finalize(self, _end, self._process, mine, self._reader)
        self._ask({"ask": "load"}, "load", LOAD_S)

    def to_onnx(self, contract: InputContract, *, batch: int | None = None) -> onnx.ModelProto:
        """As `TorchSource.to_onnx`."""
        message = {"ask": "export", "contract": contract.to_dict(), "batch": batch or self.batch}
        _, (content, *_) = self._ask(message, "export", EXPORT_S)
        return onnx.load_model_from_string(content.tobytes())

    def infer(self, batch: Array) -> npt.NDArray[np.float32]:
        """As `TorchSource.infer`."""
        _, (logits, *_) = self._ask({"ask": "infer"}, "answer", CALL_S, [batch])
        return logits

    def intermediates(self, batch: Array) -> dict[str, Array]:
        """As `TorchSource.intermediates`."""
        answer, values = self._ask({"ask": "intermediates"}, "answer", CALL_S, [batch])
        return dict(zip(answer["names"], values, strict=True))

    def _ask(
        self, message: Message, doing: str, limit_s: float, arrays: Sequence[Array] = ()
    ) -> tuple[Message, list[Array]]:
        says = ""
        try:
            self._channel.settimeout(limit_s)
            send(self._channel, {"batch": self.batch, "output": self.output, **message}, arrays)
            answer, found = receive(self._channel, limit_s)
        except TimeoutError:
            says = f"did not {doing} within {limit_s:g} s"
        except MessageError as error:
            says = f"sent what is no answer ({error})"
        except (EOFError, OSError):
            says = _how_it_ended(self._process)
        except BaseException:
            self.close()  # its answer would be taken for that of the next question
            raise
        if says:
            self.close()
            said = "".join(f"\n    {line}" for line in self._tail)
            raise BadInputError(f"{self._where} {says}." + (f" Its last output:{said}" if said else ""))
        if "error" in answer:
            raise _raised(answer)
        return answer, found


def _raised(answer: Message) -> SeatrialError:
    kind = getattr(errors, str(answer["error"]), None)
    fits = isinstance(kind, type) and issubclass(kind, SeatrialError) and kind is not errors.EngineDiedError
    return (kind if fits else BadInputError)(printable(str(answer.get("says"))))  # type: ignore[misc]


def _own_folders() -> dict[str, str]:
    """PyTorch makes a folder for its compiler in the shared temporary one, and leaves it there."""
    name = "TORCHINDUCTOR_CACHE_DIR"
    return {} if name in os.environ else {name: str(cache_root() / "torchinductor")}


def _how_it_ended(process: subprocess.Popen[bytes]) -> str:
    try:
        status = process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        return "closed its channel"
    if status < 0:
        return f"crashed ({child.signal_words(status)})"
    return f"ended its process with exit status {status}"


def _listen(output: IO[bytes], tail: collections.deque[str]) -> None:
    with contextlib.suppress(OSError, ValueError):  # closed meanwhile
        while line := output.readline(_LONGEST_LINE):
            text = shown(line.decode("utf-8", "replace").rstrip())
            if text:
                tail.append(text)


def _end(process: subprocess.Popen[bytes], channel: socket.socket, reader: threading.Thread) -> None:
    channel.close()
    child.kill(process)
    process.wait()
    reader.join(timeout=1)
    streams: list[Any] = [process.stdin, process.stdout]
    for stream in streams:
        with contextlib.suppress(OSError):
            stream.close()
