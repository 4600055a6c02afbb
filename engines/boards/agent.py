"""What is asked of a board beside its engines' own words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from seatrial.engines.machine.shape import fit, flag, whole
from seatrial.engines.machine.system import printable
from seatrial.errors import DeviceError
from seatrial.question import Answer

_LONGEST = 2000
# The board's own limit comes first.
_PATIENCE_S = 20.0


def words(value: object) -> str | None:
    """Printable text, bounded, else None."""
    return printable(value, _LONGEST) if isinstance(value, str) else None


# What the modules that are asked there say (`engines.survey`, `engines.machine.state`); a reading has its own shape.
_LINE: dict[str, Any] = {
    **dict.fromkeys(("version", "install", "at", "missing", "mend", "device"), words),
    **dict.fromkeys(("processor", "machine", "integers", "system", "python", "board", "gpu_problem"), words),
    **dict.fromkeys(("cores", "usable_cores", "memory_bytes", "memory_available_bytes"), whole),
    **{key: [words] for key in ("precisions", "builds", "cautions", "features", "refused")},
    **dict.fromkeys(("usable", "done"), flag),
    "gpus": [{"index": whole, "name": words, "compute_capability": words, "driver": words, "memory_bytes": whole}],
    "meters": [{"name": words, "says": words}],
}


class Agent(Protocol):
    """The part of a `Connection` that this needs."""

    def ask(
        self, ask: str, *, more: Callable[[dict[str, Any]], None] = ..., timeout_s: float | None = ..., **fields: Any
    ) -> dict[str, Any]:
        """As `Connection.ask`."""

    def give(self, content: bytes) -> str:
        """As `Connection.give`."""


def asks(agent: Agent) -> Callable[[str, Sequence[Any], float], Answer]:
    """`seatrial.question.ask`, of modules there; what does not look like an answer is left out of it."""

    def ask(module: str, arguments: Sequence[Any], timeout_s: float) -> Answer:
        told = agent.ask(
            "survey", module=module, arguments=list(arguments), seconds=timeout_s, timeout_s=timeout_s + _PATIENCE_S
        )
        lines, ended, output = told.get("lines"), told.get("ended"), told.get("output")
        if not isinstance(lines, list) or not isinstance(ended, str | None) or not isinstance(output, str):
            raise DeviceError(f"A board answered a survey with {told!r:.200}.")
        return Answer(tuple(_line(line) for line in lines if isinstance(line, dict)), ended, output)

    return ask


def _line(told: dict[str, Any]) -> dict[str, Any]:
    shape = {**_LINE, "reading": lambda value: value}
    if isinstance(told.get("refused"), dict):  # of an engine: precision -> why; of the machine: sentences
        shape["refused"] = (words,)
    found = fit(told, {name: shape[name] for name in told if name in shape})
    return dict(found)
