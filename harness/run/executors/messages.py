"""What goes between the driver of a run and a node: JSON one way, rows as arrays the other, checked as they come.

Nothing of ours is pickled. A node is not trusted: what it sends is bounded, and taken only where it fits what was
asked.
"""

from __future__ import annotations

import dataclasses
import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial import errors
from seatrial.errors import BadInputError, DeviceError, EngineDiedError, SeatrialError, UnsupportedError
from seatrial.harness.conditions import Condition
from seatrial.harness.conditions.kinds.protocol import Errand, MisfitError
from seatrial.harness.conditions.kinds.registry import is_run_together
from seatrial.harness.records.failures import Failure
from seatrial.harness.records.predictions import TOP_K, Predictions
from seatrial.harness.run.executors.batches import Pass, Rows
from seatrial.npz import arrays_of
from seatrial.text import printable

SCHEMA = 1
_DIED = ("crashed", "hung", "out of memory", "cut off")
_OUTCOMES = ("refused", "failed", *_DIED)
_MOST_SAYS = 4000
_MOST_HEAD = 64 << 20
_MOST_TOLD = 1 << 20
_MOST_SECONDS = 1e7


@dataclasses.dataclass(frozen=True)
class Order:
    """What a node is to make ready. spec: the run's, as JSON values. builds: the targets that it is asked, by id.
    digests: as `digests_of` the plan. threads: that it works with.
    """

    spec: Mapping[str, Any]
    builds: tuple[str, ...]
    digests: Mapping[str, Sequence[str]]
    threads: int

    def to_json(self) -> str:
        """As it is sent."""
        return json.dumps({"schema": SCHEMA, **dataclasses.asdict(self)})

    @classmethod
    def of(cls, text: str) -> Order:
        """The inverse; BadInputError for what another version sent."""
        found = _object(text.encode(errors="replace"))
        if found.pop("schema", None) != SCHEMA:
            raise BadInputError("Driver and node speak different versions of seatrial: install one on all nodes.")
        with _well_formed():
            builds = tuple(map(_text, _list(found["builds"])))
            return cls(_mapping(found["spec"]), builds, _mapping(found["digests"]), int(found["threads"]))


@dataclasses.dataclass(frozen=True)
class Ready:
    """A node that is ready. processor: as JSON values. run, targets, conditions: what shapes answers there, as in
    `Identity`. files: target id -> digest of the file that it built. failures: of targets that it could not build.
    """

    node: str
    processor: Mapping[str, Any]
    run: Mapping[str, Any]
    targets: Mapping[str, Any]
    conditions: Mapping[str, Any]
    files: Mapping[str, str]
    failures: tuple[Failure, ...]

    def to_bytes(self) -> bytes:
        """As it is sent."""
        return json.dumps(dataclasses.asdict(self)).encode()

    @classmethod
    def of(cls, content: bytes) -> Ready:
        """The inverse; BadInputError for what is none; raises what the node says that went wrong."""
        found = _object(content)
        _raise_told(found)
        with _well_formed():
            parts = {name: _mapping(found[name]) for name in ("processor", "run", "targets", "conditions", "files")}
            failures = tuple(_failure(one, parts["targets"]) for one in _list(found["failures"]))
            return cls(node=_text(found["node"]), failures=failures, **parts)


@dataclasses.dataclass(frozen=True)
class Asked:
    """Images [start, stop) of a pass, asked of a node."""

    together: Pass
    start: int
    stop: int

    @property
    def keys(self) -> list[tuple[str, str]]:
        """(condition id, target id) of each trial, in the order of the rows."""
        return [(one.condition.id, name) for one in self.together for name in one.targets]

    @property
    def made(self) -> list[Condition]:
        """The conditions whose images only the driver has."""
        return [one.condition for one in self.together if not is_run_together(one.condition.id)]

    def to_json(self, keys: Mapping[str, str], named: Mapping[str, Any] | None = None) -> str:
        """As it is sent. keys: condition id -> hash of what shapes its images. named: condition id -> how a node finds
        images of `made` that it keeps; those of the others go along.
        """
        made = {one.id for one in self.made}
        together = [
            {
                "id": one.condition.id,
                "parts": list(one.condition.parts),
                "targets": list(one.targets),
                "numbers": one.condition.numbers,
                "rewrites": list(one.condition.rewrites),
                "made": one.condition.id in made,
                "key": keys[one.condition.id],
                "named": (named or {}).get(one.condition.id),
            }
            for one in self.together
        ]
        return json.dumps({"together": together, "start": self.start, "stop": self.stop})


def errand_json(errand: Errand) -> str:
    """As it is sent."""
    return json.dumps(dataclasses.asdict(errand))


def errand_of(text: str) -> Errand:
    """The inverse; BadInputError for what is none."""
    found = _object(text.encode(errors="replace"))
    with _well_formed():
        return Errand(**{**found, "starts": tuple(map(int, _list(found["starts"])))})


def packed_parts(parts: Sequence[bytes]) -> bytes:
    """What a node made of an errand."""
    stream = io.BytesIO()
    content: dict[str, Any] = {f"part{number}": np.frombuffer(part, np.uint8) for number, part in enumerate(parts)}
    np.savez(stream, **content)
    return stream.getvalue()


def unpacked_parts(content: bytes, errand: Errand, most: int) -> list[bytes]:
    """The inverse, in the order of the errand's parts. most: bytes that a part may have.

    BadInputError for another number of parts, or larger ones; MisfitError where the node says so; raises what else it
    says that went wrong.
    """
    if not isinstance(content, bytes) or len(content) > max(_MOST_TOLD, len(errand.starts) * (most + 1024)):
        raise BadInputError("A node sent more than it was asked for.")
    if content[:1] == b"{":
        _raise_told(_object(content))
    try:
        arrays = arrays_of(content)
        names = [f"part{number}" for number in range(len(errand.starts))]
        if sorted(arrays) != sorted(names) or any(arrays[name].dtype != np.uint8 for name in names):
            raise ValueError("it has other parts than were asked for")
    except ValueError as error:
        raise BadInputError(f"A node sent what is no answer ({printable(str(error))}).") from error
    return [arrays[name].tobytes() for name in names]


def packed_lack() -> bytes:
    """A node's answer where it does not keep the images that it was told of."""
    return json.dumps({"lacks": True}).encode()


def is_lack(content: bytes) -> bool:
    """True for that answer."""
    return content == packed_lack()


def packed(keys: Sequence[tuple[str, str]], rows: Rows, head: Mapping[str, Any]) -> bytes:
    """A node's answer. keys: of the trials that were asked, of which some may have no rows. head: JSON values."""
    there = [key in rows for key in keys]
    content: dict[str, Any] = {"head": np.frombuffer(json.dumps({**head, "there": there}).encode(), np.uint8)}
    if any(there):
        found = [rows[key] for key in keys if key in rows]
        for name in ("top", "p_top1", "margin"):
            content[name] = np.stack([getattr(one, name) for one in found])
    stream = io.BytesIO()
    np.savez(stream, **content)
    return stream.getvalue()


def told(error: SeatrialError | MisfitError) -> dict[str, Any]:
    """What went wrong on a node, as JSON values."""
    outcome = error.outcome if isinstance(error, EngineDiedError) else None
    return {"error": {"kind": type(error).__name__, "outcome": outcome, "says": str(error)}}


@dataclasses.dataclass(frozen=True)
class Answer:
    """rows: of the trials that were answered. failures: of targets that ended meanwhile. conditions_s, engines_s:
    seconds.
    """

    rows: Rows
    failures: tuple[Failure, ...]
    conditions_s: float
    engines_s: float


def unpacked(content: bytes, asked: Asked, labels: npt.NDArray[np.int64], classes: int) -> Answer:
    """What a node answered. labels: int64, of the images that were asked about; classes: of the model.

    BadInputError for rows that are none of these images', or that no engine gives; raises what the node says that went
    wrong.
    """
    count, keys, best = asked.stop - asked.start, asked.keys, min(TOP_K, classes)
    if not isinstance(content, bytes) or len(content) > _MOST_HEAD + len(keys) * (count * (best * 4 + 8) + 1024):
        raise BadInputError("A node sent more than it was asked for.")
    if content[:1] == b"{":
        _raise_told(_object(content))
    try:
        arrays = arrays_of(content)
        head = _object(arrays["head"].tobytes())
    except (ValueError, KeyError) as error:
        raise BadInputError(f"A node sent what is no answer ({printable(str(error))}).") from error
    with _well_formed():
        there = [key for key, is_there in zip(keys, _list(head["there"]), strict=True) if is_there is True]
        targets = {name for _, name in keys}
        failures = tuple(_failure(one, targets) for one in _list(head["failures"]))
        lost = {one.target for one in failures}
        if any(name not in lost for _, name in set(keys) - set(there)):
            raise ValueError("rows are missing of a target that did not fail")
        seconds = [_seconds(head[name]) for name in ("conditions_s", "engines_s")]
        rows = {} if not there else _rows(arrays, there, labels, best, classes)
    return Answer(rows, failures, *seconds)


def _rows(
    arrays: Mapping[str, npt.NDArray[Any]],
    keys: Sequence[tuple[str, str]],
    labels: npt.NDArray[np.int64],
    best: int,
    classes: int,
) -> dict[tuple[str, str], Predictions]:
    top, first, margin = arrays["top"], arrays["p_top1"], arrays["margin"]
    shape = (len(keys), len(labels))
    if top.dtype != np.int32 or top.shape != (*shape, best):
        raise ValueError(f"its classes are {top.dtype} {list(top.shape)}")
    if any(one.dtype != np.float32 or one.shape != shape for one in (first, margin)):
        raise ValueError("its shares are no float32 of the images' number")
    if top.min() < 0 or top.max() >= classes or (np.diff(np.sort(top, axis=2), axis=2) == 0).any():
        raise ValueError("it names classes that there are not, or one twice")
    if not ((first >= 0) & (first <= 1) & (margin >= 0) & (margin <= first)).all():  # NaN is neither
        raise ValueError("its shares are none")
    known = labels.astype(np.int32)
    return {
        key: Predictions(known, top[index].copy(), first[index].copy(), margin[index].copy())
        for index, key in enumerate(keys)
    }


def as_error(failure: Failure) -> SeatrialError:
    """The error that ended a target on a node."""
    if failure.outcome in _DIED:
        return EngineDiedError(failure.says, failure.outcome)
    return DeviceError(failure.says) if failure.outcome == "failed" else UnsupportedError(failure.says)


class _well_formed:  # noqa: N801  (a context)
    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (KeyError, TypeError, ValueError, OverflowError)):
            raise BadInputError(f"A node sent what is no answer ({printable(str(error))[:_MOST_SAYS]}).") from error


def _raise_told(found: Mapping[str, Any]) -> None:
    if "error" not in found:
        return
    with _well_formed():
        error = _mapping(found["error"])
        kind, says, outcome = _text(error["kind"]), _text(error["says"]), error.get("outcome")
    if kind == MisfitError.__name__:
        raise MisfitError(says)
    known = getattr(errors, kind, None)
    if known is EngineDiedError:
        raise EngineDiedError(says, outcome if outcome in _DIED else "crashed")
    if isinstance(known, type) and issubclass(known, SeatrialError):
        raise known(says)
    if kind == "PackageError":
        raise UnsupportedError(says)
    raise FaultError(says)


class FaultError(RuntimeError):
    """A fault of our own, on a node."""


def _object(content: bytes) -> dict[str, Any]:
    if not isinstance(content, bytes) or len(content) > _MOST_HEAD:
        raise BadInputError("A node sent more than it was asked for.")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"A node sent what is no answer ({printable(str(error))}).") from error
    if not isinstance(found, dict):
        raise BadInputError("A node sent what is no answer (no JSON object).")
    return found


def _failure(value: Any, targets: Mapping[str, Any] | set[str]) -> Failure:
    target, outcome = value["target"], value["outcome"]
    if target not in targets or outcome not in _OUTCOMES:
        raise ValueError("it tells of a target that it was not asked")
    return Failure(target, _text(value["stage"])[:100], outcome, _text(value["says"]))


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < _MOST_SECONDS:
        raise ValueError("its seconds are none")
    return float(value) if math.isfinite(value) else 0.0


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("a word is no text")
    return printable(value[:_MOST_SAYS])


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("an object is none")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("a list is none")
    return value
