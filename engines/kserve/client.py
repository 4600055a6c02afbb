"""What is asked of a server, over whichever protocol."""

from __future__ import annotations

import abc
import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.engines.kserve.credentials import Credentials
from seatrial.engines.kserve.endpoint import Address, Endpoint
from seatrial.engines.kserve.fit import SCORES
from seatrial.errors import DeviceError
from seatrial.text import printable

# Of one query, until it is answered; a process that is silent for longer than --timeout is ended in any case.
QUERY_S = 60.0
# What a server tells of itself and of a model.
MOST_WORDS = 4 << 20
# A score as text, and what stands around the scores.
_BYTES_OF_SCORE, _BYTES_AROUND = 40, 1 << 16
_LONGEST = 300
_MOST_OUTPUTS = 64


@dataclasses.dataclass(frozen=True)
class Query:
    """images: [N, ...] of the datatype. output: its name, None for the only one. columns: scores of an image."""

    input: str
    datatype: str
    images: npt.NDArray[Any]
    output: str | None
    columns: int

    @property
    def most_bytes(self) -> int:
        """Of an answer: what is larger is none."""
        return len(self.images) * self.columns * _BYTES_OF_SCORE + _BYTES_AROUND


@dataclasses.dataclass(frozen=True)
class Answer:
    """scores: floats, as the server shaped them. model, version: that answered, as it says; empty where it does not."""

    scores: npt.NDArray[Any]
    model: str
    version: str


class Client(abc.ABC):
    """One endpoint. May be asked by several threads at once.

    Raises DeviceError for what a server should not answer, UnavailableError for what may be asked again,
    UnsupportedError where it wants another who asks.
    """

    # How tensors travel.
    data: str

    def __init__(self, endpoint: Endpoint, credentials: Credentials) -> None:
        self.endpoint, self.credentials = endpoint, credentials

    @property
    def address(self) -> Address:
        """Of the endpoint."""
        return self.endpoint.address

    @property
    def where(self) -> str:
        """The endpoint in words."""
        return f"Endpoint {self.endpoint.url}"

    @abc.abstractmethod
    def check_ready(self) -> None:
        """DeviceError where the model is not ready."""

    @abc.abstractmethod
    def described(self) -> tuple[Any, Any, Any]:
        """What it tells of the server, the model and its configuration, which is None where it tells none: JSON
        values.
        """

    @abc.abstractmethod
    def statistics(self) -> Any:
        """Triton's statistics of the model as JSON values; None of a server without them."""

    @abc.abstractmethod
    def infer(self, query: Query) -> Answer:
        """Asks once."""

    @abc.abstractmethod
    def connect_anew(self) -> None:
        """What is asked next goes over a new connection, perhaps to another server behind the same address."""

    @abc.abstractmethod
    def close(self) -> None:
        """Closes what is open."""

    def said(self, text: str) -> str:
        """What a server says, as it can be shown: short, and without what it was told in confidence."""
        return printable(self.credentials.redacted(text)[:_LONGEST]).strip()


def chosen(names: list[str], output: str | None) -> int:
    """Which of the outputs that came is the one with the scores; DeviceError where none is."""
    if len(names) > _MOST_OUTPUTS:
        raise DeviceError(f"The server answered {len(names)} outputs.")
    if output in names:
        return names.index(str(output))
    if len(names) == 1 and output is None:
        return 0
    known = printable(", ".join(names)[:_LONGEST]) or "none"
    raise DeviceError(f"The server answered the outputs {known}; asked for was {output or 'the only one'}.")


def scores_of(content: bytes | memoryview, datatype: str, shape: list[int]) -> npt.NDArray[Any]:
    """Raw little-endian values as an array; DeviceError where they are not what they say."""
    if datatype not in SCORES:
        raise DeviceError(f"The server answered {printable(datatype[:40])}, which are no scores.")
    kind = np.dtype(SCORES[datatype])
    count = 1
    for extent in shape:
        count *= extent
    if len(shape) > 8 or min(shape, default=0) < 0 or count * kind.itemsize != len(content):
        raise DeviceError(f"The server answered {len(content)} bytes for {datatype} {shape[:8]}.")
    return np.frombuffer(content, kind).reshape(shape)
