"""Run directories with latencies and their record, made up: what a run leaves, without a run."""

import numpy as np

from seatrial.harness.records.latencies import Samples, add_latencies
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.records.timing import HERE, board_of, place_key, write_timing
from seatrial.harness.results.timing.record import TimedRun

MS = 1_000_000
QUIET = {"wall_s": 0.1, "own": 1.0, "others": 0.01, "stolen": 0.0, "waited": 0.001, "probe_ns": [20_000, 20_100]}


def queries(taken, rounds=None, *, fresh=None, begin=None, service=None, setting="", kept=True, blocks=10):
    """Samples of nanoseconds in the order asked, in so many blocks a round."""
    taken = np.asarray(taken).astype(np.int64)
    count = len(taken)
    rounds = np.ones(count, np.int32) if rounds is None else np.asarray(rounds, np.int32)
    block = np.zeros(count, np.int32)
    for index, number in enumerate(np.unique(rounds)):
        here = np.flatnonzero(rounds == number)
        block[here] = index * blocks + np.arange(len(here)) * blocks // len(here)
    return Samples(
        begin=(np.cumsum(taken) - taken if begin is None else np.asarray(begin)).astype(np.int64),
        taken=taken,
        service=taken if service is None else np.asarray(service).astype(np.int64),
        round=rounds,
        block=block,
        kept=np.broadcast_to(np.asarray(kept, np.bool_), count).copy(),
        fresh=np.arange(count) % 2 == 1 if fresh is None else fresh,
        setting=np.broadcast_to(np.asarray(setting, np.str_), count).copy(),
    )


def entry(samples, counters=QUIET, **more):
    """What timing.json says of a target in a scenario."""
    blocks = [
        {"round": int(samples.round[samples.block == number][0]), "block": int(number), "counters": counters}
        for number in np.unique(samples.block)
    ]
    whole = {"checked": len(samples), "wrong": 0, "worst": 0.0, "unsteady": False, "expected_differs": 0}
    return {"blocks": blocks, **whole, **more}


def scenario(samples, stopped="narrow", reasons=()):
    """The same of the scenario. reasons: of round 1."""
    found = []
    for number in np.unique(samples.round):
        kept = bool(samples.kept[samples.round == number].all())
        found.append({"number": int(number), "kept": kept, "reasons": list(reasons) if number == 1 else []})
    return {"rounds": found, "spent_s": 1.0, "stopped": stopped}


def timed_run(folder, found, *, entries=None, scenarios=None, places=None):
    """found: (build, scenario's key) -> Samples. entries, and scenarios of this machine: in place of the plain ones.
    places: what is told of each beside its scenarios, by its key.
    """
    directory = RunDirectory(folder)
    add_latencies(directory.latency, found)
    record = {"places": {}, "targets": {}, "options": {"width": 0.05, "budget_s": 60.0}}
    for (build, key), samples in found.items():
        place = record["places"].setdefault(place_key(board_of(build)), {"scenarios": {}})
        place["scenarios"].setdefault(key, scenario(samples))
        record["targets"].setdefault(build, {})[key] = (entries or {}).get((build, key)) or entry(samples)
    record["places"].get(HERE, {}).get("scenarios", {}).update(scenarios or {})
    for name, told in (places or {}).items():
        record["places"][name].update(told)
    write_timing(directory.timing, record)
    return TimedRun.read(directory)


def noisy(seed, count, ms=3.0, spread=0.03):
    """Nanoseconds about so many milliseconds."""
    return ms * MS * np.exp(spread * np.random.default_rng(seed).standard_normal(count))
