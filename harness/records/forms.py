"""What the JSON files of a run directory look like: a file whose checksum holds may still be somebody else's.

A form is a type; a tuple, of which one must fit; a list of one form; a function, of a value and where it
stands, that says what does not fit; or an object: key -> form, `*` for all other keys.
Keys that no form names are passed over, and a named one may be missing: whoever asks for it is told so (`Stored`). Only
`key!` must be there.
"""

from __future__ import annotations

from typing import Any

from seatrial.engines.machine.shape import is_reading
from seatrial.engines.timing.scenario import SCENARIOS
from seatrial.errors import DamagedError

Form = Any
_NUMBER = (int, float)
_NOTHING = type(None)
# No count or measure is beyond.
_MOST = 1 << 63
_DEEPEST = 60


def _or_null(form: Form) -> Form:
    return (form, _NOTHING)


_TEXT_OR_NULL, _NUMBER_OR_NULL = (str, _NOTHING), (int, float, _NOTHING)
_DIFFERENCE = {"share": _NUMBER, "labels": int, "images": int}
_MEASURED = _or_null({"rounded": bool, "*": _or_null(_DIFFERENCE)})
_LAYER = {
    **dict.fromkeys(("name", "op", "requested", "realized"), str),
    "macs": int,
    "guessed": bool,
    "node": _TEXT_OR_NULL,
    "reason": _TEXT_OR_NULL,
}


def _pair(value: Any, at: str) -> str | None:
    if isinstance(value, list) and len(value) != 2:
        return f"{at} is no pair"
    return misfit(value, [_NUMBER], at)


def _guard(value: Any, at: str) -> str | None:
    """What departs from its file has a ratio that is finite."""
    found = misfit(value, _GUARD, at)
    if found is not None or value.get("faithful", True) or value.get("snr_db", 0.0) is not None:
        return found
    return f"{at}.snr_db is null"


_GUARD = {
    **dict.fromkeys(("images", "labels_changed"), int),
    "source": str,
    "faithful": bool,
    "seconds": _NUMBER,
    "snr_db": _NUMBER_OR_NULL,
    **dict.fromkeys(("way_out", "not_looked"), _TEXT_OR_NULL),
    "kept_float": {"*": str},
    "nodes": [str],
    "pieces": [
        {"node": str, "nodes": [str], "kernel": _TEXT_OR_NULL, "off": _NUMBER_OR_NULL, "snr_db": _NUMBER_OR_NULL}
    ],
    "saturating": _or_null(_pair),
    "optimised": _or_null({"level": str, "labels_changed": int, "snr_db": _NUMBER_OR_NULL}),
}
_BUILT = {
    "requested": str,
    "realized": {"*": _NUMBER},
    "unknown": [str],
    "share_as_requested": _NUMBER_OR_NULL,
    **dict.fromkeys(("engine_bytes", "model_bytes"), int),
    "memory_bytes": _NUMBER_OR_NULL,
    "model_digest": str,
    "build_s": _NUMBER,
    "from_cache": bool,
    "options": {},
    "cautions": [str],
    "guard": _or_null(_guard),
    "processors": _or_null({"right_on": str, "overflowing": [str], "layers": int, "says": str}),
    "calibration": {"warnings": [str], "kept_float": {"*": str}},
    "layers": [_LAYER],
    "other_ops": {"*": int},
    "served": _or_null({"version": str, "sample": [[_NUMBER]], "changed": _TEXT_OR_NULL, "asked_again": int}),
    "alike": _or_null({"passed": bool, "share": _NUMBER, "limit": _NUMBER, "says": str, "measured": _MEASURED}),
}


def _state(value: Any, at: str) -> str | None:
    """A reading of a machine."""
    return None if is_reading(value) else f"{at} is no reading of a machine"


_MACHINE = _or_null({"before": _state, "after": _state, "during": [_state]})
_SITE = _or_null(
    {
        **dict.fromkeys(("name", "model", "processor", "machine", "system"), _TEXT_OR_NULL),
        **dict.fromkeys(("cores", "memory_bytes"), _NUMBER_OR_NULL),
    }
)
_ROUND = {"number": int, "kept": bool, "reasons": [str], "blocks": int, "left_out": int}
_AT = {"rounds": [_ROUND], "spent_s": _NUMBER, "stopped": _TEXT_OR_NULL, "asked": {}}
# Alone, or before and after the block.
_COUNTER = (*_NUMBER_OR_NULL, _pair)
_COUNTERS = {
    **dict.fromkeys(("wall_s", "own", "stolen", "waited"), _NUMBER_OR_NULL),
    **dict.fromkeys(("others", "mhz", "probe_ns", "memory_ns"), _COUNTER),
}
_BLOCK = {
    **dict.fromkeys(("round", "block", "queries", "checked", "wrong"), int),
    "begin_s": _NUMBER,
    "median_ns": _NUMBER_OR_NULL,
    "counters": _or_null(_COUNTERS),
}
_TIMED = {
    "blocks": [_BLOCK],
    "checked": int,
    "wrong": int,
    "unsteady": bool,
    **dict.fromkeys(("worst", "expected_differs", "batch", "workers", "rate", "bound_ms"), _NUMBER_OR_NULL),
    "tried": _or_null([{"rate": _NUMBER, "keeps": bool}]),
    "readings": _or_null([_state]),
}
# A pipeline that was timed from the stored image on.
_FED = {
    "feed": str,
    "input": str,
    **dict.fromkeys(("images", "samples", "wrong", "differ"), int),
    "*": _NUMBER_OR_NULL,
}
# Of a sweep: threads and batch, and what was measured there, or why nothing was.
_POINT = {"threads": int, "batch": int, "says": str, "*": _NUMBER_OR_NULL}
_TEXTS = [str]
_LOADGEN = {
    "version": str,
    "valid": bool,
    "says": _TEXTS,
    "logs": _TEXTS,
    "bounds_ms": {"*": _NUMBER_OR_NULL},
    **dict.fromkeys(("samples", "checked", "wrong"), int),
    "*": _NUMBER_OR_NULL,
}
_PAIRS = {"images!": int, "pairs!": list}
_NAMES = _or_null([str])


def _reading(value: Any, at: str) -> str | None:
    """Images that another reading gets right, and those that it gets wrong, are some of all."""
    found = misfit(value, _READING, at)
    if found is not None or "images" not in value:
        return found
    better, worse = value.get("better", 0), value.get("worse", 0)
    fits = better >= 0 and worse >= 0 and better + worse <= value["images"] and value["images"] > 0
    return None if fits else f"{at} counts more images than it has"


_READING = {
    "failed": str,
    **dict.fromkeys(("images", "better", "worse", "readings"), int),
    **dict.fromkeys(("declared_top1", "other_top1", "likelihood", "limit", "p"), _NUMBER),
    **dict.fromkeys(("wrong", "at_chance", "trusted"), bool),
    "differing": {"*": {"declared": str, "other": str}},
    "flags": [str],
}
_CALIBRATION = {
    "images": int,
    "trusted": bool,
    "differences": [{"statistic": str, **dict.fromkeys(("first", "second", "difference"), _NUMBER), "interval": _pair}],
}
_CHANNEL = {
    "node": str,
    "channel": int,
    "ratio": _NUMBER,
    "repaired": _or_null({"failed": str, "damaged": bool, **dict.fromkeys(("images", "better", "worse"), int)}),
}
_PLACE = {"node": str, "share": _NUMBER}
_STEP = {
    **dict.fromkeys(("kind", "node", "op"), str),
    **dict.fromkeys(("own_db", "at_8_bits_db", "usual_db", "apart_db"), _NUMBER),
}
_LAYERS = {
    "images": int,
    "failed": _TEXT_OR_NULL,
    "usual_db": _NUMBER_OR_NULL,
    "steps": [_STEP],
    "saturated": [_PLACE],
    "unused": [_PLACE],
}

FORMS: dict[str, Form] = {
    "run.json": {
        "shard": str,
        "asked": {"targets": _TEXTS, "conditions": _TEXTS},
        "spec": {"source": {"variants": _TEXTS}, "conditions": {"globs": _TEXTS, "across": _TEXTS, "own": _TEXTS}},
        "identity": {"targets": {"*": {}}, "conditions": {"*": {}}, "run": {}},
        "environment": _or_null({}),
        "class_names": _NAMES,
    },
    "audit.json": {
        "alike": _or_null({"says": [str], "random": [str], "mixing": [str], "anomalous": bool, "measured": _MEASURED}),
        "targets": {"*": _BUILT},
    },
    "findings.json": {
        "contract": _or_null(_reading),
        "calibration": _or_null(_CALIBRATION),
        "damage": {"channels": [_CHANNEL], "dead": [str]},
        "layers": {"*": _LAYERS},
    },
    "nodes.json": {
        "nodes!": {"*": {"cores": int, "processor": {}}},
        "repeated!": {"*": {"images!": int, "differing!": int, "says!": [str]}},
    },
    "failures.json": {"failed": [dict.fromkeys(("target!", "stage!", "outcome!", "says!"), str)]},
    "spent.json": {"*": _NUMBER},
    "flips.json": {
        "of": str,
        "classes": _NAMES,
        "condition!": str,
        "targets!": {"*": {"first!": _PAIRS, "all!": _PAIRS}},
        "pictures": [{}],
    },
    "places.json": {
        "of": str,
        "classes": _NAMES,
        "pairs": [{"first": str, "second": str, "conditions": {"*": {"differing": int, "images": [list]}}}],
    },
    "timing.json": {
        "places": {"*": {"place": _SITE, "machine": _MACHINE, "scenarios": {"*": _AT}}},
        "targets": {
            "*": {
                **{one.key: _or_null(_TIMED) for one in SCENARIOS.values()},
                "memory": _or_null({"*": _NUMBER_OR_NULL}),
                "device": _or_null({"*": _NUMBER_OR_NULL}),
                "energy": _or_null({"*": {"*": _NUMBER_OR_NULL}}),
                "end_to_end": _or_null([_FED]),
                "sweep": _or_null([_POINT]),
                "loadgen": _or_null({"*": _LOADGEN}),
                "*": (dict, list, _NOTHING, *_NUMBER, str),
            }
        },
        "parts": {"*": {"asked": {}, "targets": _TEXTS}},
        "options": {"width": _NUMBER, "budget_s": _NUMBER},
    },
}


class NotThereError(DamagedError, KeyError):
    """A value that a file should have is not there."""

    def __str__(self) -> str:
        """The sentence, not its representation."""
        return str(self.args[0])


class Stored(dict[str, Any]):
    """A JSON object of a file: asked for a key that is not there, it says which file lacks it.

    It is made as a dict is, so that `dataclasses.asdict` and copies can make it, too.
    """

    _where = "What was read"

    def __missing__(self, key: str) -> Any:
        raise NotThereError(
            f"{self._where} is not what was written: it has no {key!r}. Repeat the run, and it is made again."
        )

    @classmethod
    def of(cls, where: str, found: dict[str, Any]) -> Stored:
        """The same JSON values; every object within is one, too."""
        made = cls({name: _stored(where, part) for name, part in found.items()})
        made._where = where
        return made


def _stored(where: str, value: Any) -> Any:
    if isinstance(value, dict):
        return Stored.of(where, value)
    return [_stored(where, part) for part in value] if isinstance(value, list) else value


def misfit(value: Any, form: Form, at: str = "it", depth: int = 0) -> str | None:
    """What does not fit, in words; None where all does."""
    if depth > _DEEPEST:
        return f"{at} is nested too deep"
    if isinstance(form, tuple):
        found = [misfit(value, one, at, depth) for one in form]
        return None if None in found else max(found, key=lambda says: len(str(says)))
    if isinstance(form, list):
        if not isinstance(value, list):
            return f"{at} is no list"
        return _first(misfit(part, form[0], f"{at}[{index}]", depth + 1) for index, part in enumerate(value))
    if isinstance(form, dict):
        if not isinstance(value, dict):
            return f"{at} is no object"
        for name in form:
            if name.endswith("!") and name[:-1] not in value:
                return f"{at} has no {name[:-1]!r}"
        forms = ((name, part, form.get(f"{name}!", form.get(name, form.get("*")))) for name, part in value.items())
        return _first(
            misfit(part, one, f"{at}.{name}"[:200], depth + 1) for name, part, one in forms if one is not None
        )
    if not isinstance(form, type):
        says: str | None = form(value, at)
        return says
    if isinstance(value, bool) and form is not bool:
        return f"{at} is a truth value"
    if not isinstance(value, form):
        return f"{at} is no {form.__name__}"
    if isinstance(value, (int, float)) and not abs(value) < _MOST:
        return f"{at} is beyond any measure"
    return None


def _first(found: Any) -> str | None:
    return next((says for says in found if says is not None), None)
