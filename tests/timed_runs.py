"""A run that timed everything, made up: its summary, its timing.json and its samples."""

import numpy as np
from summaries import make_summary, percentiles, speedup

from seatrial.harness.records.timing import HERE
from seatrial.harness.report.page.part import Shown
from seatrial.harness.report.tracks import track

NAMES = ("onnxruntime/fp32@cpu", "onnxruntime/int8@cpu", "openvino/int8@cpu")
KINDS = ("wrong", "stale", "cached", "stalls", "differs", "drift", "load", "disturbed", "throttled", "wide")


def latency(p50, name="jpeg"):
    """Of a target, in every scenario."""
    rate = round(900 / p50)
    tried = [
        {
            "rate": rate * share,
            "queries": 900,
            "p99_ms": ms,
            "bound_p99_ms": ms * 1.1,
            "keeps": ms < 13,
            "confirmed": share == 1.0,
        }
        for share, ms in ((0.25, 1.5 * p50), (0.5, 2 * p50), (1.0, 4.0), (1.5, 40.0))
    ]
    minutes = [
        {
            "minute": minute + 1,
            "from_s": 60.0 * minute,
            "p50_ms": p50 * (1 + minute / 50),
            "p90_ms": p50 * (1.3 + minute / 50),
            "p99_ms": None if minute == 3 else p50 * (1.8 + minute / 50),
            "celsius": 41.0 + minute,
            "mhz": 2400.0 - 20 * minute,
        }
        for minute in range(10)
    ]
    return {
        "single_stream": percentiles(p50),
        "multi_stream": percentiles(p50 * 7.5, samples=300),
        "offline": {
            "images_per_s": 1100 / p50,
            "ci95": [1080 / p50, 1120 / p50],
            "images": 5000,
            "batch": 32,
            "workers": 2,
        },
        "server": {
            "queries_per_s": rate,
            "ends": [rate, rate * 1.5],
            "bound_ms": 15.0,
            "p99_ci95": [11.0, 14.0],
            "p99_ms": 12.5,
            "tried": tried,
            "workers": 2,
        },
        "sustained": {
            "minutes": minutes,
            "drift": 0.18,
            "steady_from_s": 180.0,
            "p50_ms": p50 * 1.15,
            "seconds": 600,
            "part_s": 60.0,
        },
        "device": {"h2d_ms": p50 / 10, "compute_ms": p50 / 2, "d2h_ms": p50 / 20},
        "end_to_end": [
            {
                "feed": feed,
                "input": name,
                "decode_ms": 1.2,
                "resize_ms": 0.6,
                "color_ms": None,
                "normalise_ms": 0.1,
                "host_ms": p50,
                "p50_ms": p50 + 1.9,
                "p90_ms": p50 + 2.4,
                "samples": 400,
                "wrong": 0,
                "differ": 3 if feed == "pipeline/decode=opencv" else 0,
                "images": 50,
            }
            for feed in ("contract", "pipeline/decode=opencv")
        ],
    }


def marks(says="It says so."):
    return [{"kind": kind, "scenario": "single_stream", "says": says} for kind in KINDS]


def timed(p50, name="contract", marked=()):
    return {
        "marks": list(marked),
        "energy": {
            name: {
                "joules_per_image": 0.0123 * p50,
                "net_joules_per_image": 0.01 * p50,
                "watts": 14.2,
                "idle_watts": 3.1,
                "images": 5000,
            },
        },
        "memory": {"host_bytes": 250_000_000, "device_bytes": 90_000_000},
        "sweep": [
            {
                "threads": threads,
                "batch": batch,
                "images_per_s": 900 / p50 * threads * batch / (batch + 1),
                "p50_ms": p50 * (batch + 1) / threads,
                "p90_ms": p50 * (batch + 2) / threads,
                "queries": 300,
            }
            for threads in (1, 2)
            for batch in (1, 4, 16)
        ]
        + [{"threads": 2, "batch": 64, "says": f"{name} is too large"}],
        "loadgen": {
            "single_stream": {
                "p50_ms": p50 * 1.01,
                "p90_ms": p50 * 1.9,
                "p99_ms": None,
                "samples": 640,
                "images_per_s": 900 / p50,
                "valid": False,
                "says": [f"{name}: too few queries", "too short"],
                "version": name,
                "logs": [f"loadgen/{name}/mlperf_log_summary.txt"],
            },
            "offline": {"images_per_s": 1090 / p50, "version": name, "logs": []},
        },
    }


def reading(name="zone", celsius=45.5, load=0.4):
    """As engines.machine.reading tells it, with a GPU and everything else."""
    return {
        "load": [load, 0.5, 0.6],
        "cores": 2,
        "affinity": [0, 1],
        "governor": name,
        "mhz": [2400.0, 2350.5],
        "mhz_max": 3000.0,
        "driver": name,
        "turbo": True,
        "throttle_counts": {"core": 3, "package": 1},
        "container": {"cores": 1.5, "throttled_s": 0.2, "throttled_times": 4},
        "memory": {"total_bytes": 8_000_000_000, "available_bytes": 5_250_000_000, "swap_used_bytes": 0},
        "celsius": {name: celsius, "package": celsius + 3},
        "throttled": [name],
        "gpus": [
            {
                "name": name,
                "mhz": 1980,
                "memory_mhz": 2619,
                "celsius": 51,
                "watts": 120.5,
                "throttle": [name],
                "used_bytes": 3_000_000_000,
                "power_limit_watts": 700.0,
            }
        ],
        "jetson": {
            "power_mode": name,
            "jetson_clocks": False,
            "gpu_mhz": 918,
            "gpu_mhz_max": 1300,
            "rails_watts": {name: 4.5},
        },
        "raspberry_pi": {"throttled": [name]},
        "others": 0.7,
        "busiest": [{"name": name, "share": 0.62}],
    }


def bare_reading():
    """Where the system tells nothing, as on macOS."""
    return {**dict.fromkeys(reading()), "cores": 8}


def make_timed(outside="zone", marked=None, **made):
    """A summary with all that is timed: scenarios, marks, machine, sweep, energy, loadgen. outside: the name of
    whatever is named outside. made: of `make_summary`.
    """
    name = outside
    summary = make_summary(**made)
    reference, new = summary["targets"]
    found = marks(f"{name} says so.") if marked is None else marked
    summary["targets"] = [
        {**(reference if place == 0 else new), "id": target, "latency": latency(p50, name)}
        for place, (target, p50) in enumerate(zip(NAMES, (2.0, 1.04, 3.1), strict=True))
    ]
    for place, target in enumerate(summary["targets"]):
        p50 = target["latency"]["single_stream"]["p50_ms"]
        target["timed"] = timed(p50, name, found if place == 1 else ())
        told = speedup(2.0 / p50, "2 rounds were disturbed" if place == 2 else None) if place else None
        others = ("multi_stream", "offline", "sustained")
        speedups = {key: speedup(1.9 / p50) for key in others} if place else {}
        target["metrics"] = {**target["metrics"], "speedup": told, "speedups": speedups}
    summary["reference"] = NAMES[0]
    # 64 samples carry p90 alone.
    summary["targets"][2]["latency"]["single_stream"] = percentiles(3.1, samples=64)
    summary["agreement"] = {"condition": "clean", "pairs": []}
    summary["machine"] = {
        "place": {"name": name, "processor": name, "cores": 2},
        "before": reading(name),
        "after": reading(name, 61.0, 1.9),
        "readings": 10,
        "marks": [f"{name} took 62 % of a core."],
    }
    return summary


BESIDE, THERE, ALONE = "onnxruntime/fp32@pi5/cpu", "onnxruntime/int8@pi5/cpu", "onnxruntime/int8@nano/cpu"


def make_on_boards():
    """Targets on this machine, on a board with an fp32 target, and on one without; nothing is marked but a machine."""
    summary = make_timed(marked=[])
    reference, new, _ = summary["targets"]
    reference["pace"] = {"against": None, "unknown": None}
    new["pace"] = {"against": NAMES[0], "unknown": None}
    against = {"against": BESIDE, "unknown": None}
    alone = {"against": None, "unknown": "nothing on nano runs in fp32 (--bits 32 adds it)"}
    for name, p50, precision, pace in (
        (BESIDE, 40.0, "fp32", reference["pace"]),
        (THERE, 25.0, "int8", against),
        (ALONE, 9.0, "int8", alone),
    ):
        told = {**speedup(40.0 / p50), "against": BESIDE} if pace is against else None
        summary["targets"].append(
            {
                **new,
                "id": name,
                "board": name.partition("@")[2].partition("/")[0],
                "precision": precision,
                "latency": latency(p50),
                "metrics": {**new["metrics"], "speedup": told, "speedups": {}},
                "pace": pace,
            }
        )
    summary["boards"] = {"pi5": {**summary["machine"], "marks": ["It became hot."]}}
    return summary


def make_timing(name="zone", rounds=4, targets=NAMES):
    """timing.json of the same run: the second round is disturbed."""
    told = [{"number": number + 1, "kept": number != 1, "reasons": []} for number in range(rounds)]
    told[1]["reasons"] = [f"{name} took 62 % of a core"]
    scenarios = {
        key: {"rounds": told, "spent_s": 20.0, "stopped": "narrow"}
        for key in ("single_stream", "multi_stream", "offline", "server", "sustained")
    }
    names, targets = targets, {target: {} for target in targets}
    for key, length in (("single_stream", 1.0), ("multi_stream", 1.0), ("offline", 1.0), ("sustained", 6.0)):
        for place, target in enumerate(names):
            blocks = [
                {
                    "round": number // 4 + 1,
                    "block": number,
                    "queries": 100,
                    "begin_s": (number * len(names) + place) * 0.1 * length,
                    "median_ns": 1_000_000,
                    "counters": counters(0.1 * length, 1.4 if number // 4 == 1 else 1.0),
                }
                for number in range(4 * rounds)
            ]
            targets[target][key] = {"blocks": blocks, "checked": 400, "wrong": 0, "worst": 0.0, "unsteady": False}
    for target in names:
        readings = [{"at_s": second * 1.0, **reading(name, 40 + second / 6)} for second in range(30)]
        targets[target]["sustained"]["readings"] = readings
    place = {
        "place": {"name": name, "processor": name, "cores": 2},
        "machine": {
            "before": reading(name),
            "during": [{"at_s": second * 2.0, **reading(name, 45 + second)} for second in range(10)],
            "after": reading(name, 61.0, 1.9),
        },
        "scenarios": scenarios,
    }
    return {"schema": 2, "options": {}, "places": {HERE: place}, "targets": targets}


def counters(wall_s, slower):
    return {
        "wall_s": wall_s,
        "own": 1.0,
        "others": 0.1 if slower == 1 else 0.7,
        "stolen": 0.0,
        "waited": 0.01,
        "probe_ns": [int(30_000 * slower), int(30_500 * slower)],
        "memory_ns": [int(90_000 * slower), int(95_000 * slower)],
        "mhz": 2400.0 / slower,
        "joules": {},
    }


def make_tracks(timing, seed=0):
    """Scenario -> target -> what the drawings show of samples that fit the blocks."""
    rng = np.random.default_rng(seed)
    kept = {one["number"]: one["kept"] for one in timing["places"][HERE]["scenarios"]["single_stream"]["rounds"]}
    found = {}
    for key in ("single_stream", "multi_stream", "offline", "sustained"):
        for place, (target, parts) in enumerate(timing["targets"].items()):
            blocks = parts[key]["blocks"]
            begin = [block["begin_s"] + np.sort(rng.random(200)) * block["counters"]["wall_s"] for block in blocks]
            rounds = np.repeat([block["round"] for block in blocks], 200)
            taken = rng.lognormal(np.log((2.0, 1.04, 3.1)[place % 3] * 1e6), 0.1, len(rounds)).astype(np.int64)
            taken[rounds == 2] = taken[rounds == 2] * 7 // 5
            taken[rng.random(len(taken)) < 0.004] *= 9
            counted = np.array([kept.get(number, True) for number in rounds])
            nanoseconds = (np.concatenate(begin) * 1e9).astype(np.int64)
            found.setdefault(key, {})[target] = track(nanoseconds, taken, counted)
    return found


def make_shown(outside="zone", **made):
    """All of it, as the page gets it."""
    summary, timing = make_timed(outside, **made), make_timing(outside)
    return Shown(summary, layers=make_layers(), timing=timing, tracks=make_tracks(timing))


def make_layers():
    """The slow target's: two layers run in float."""
    layer = {"op": "Conv", "requested": "int8", "node": None, "reason": "none"}
    return {
        NAMES[2]: [
            {**layer, "name": name, "realized": realized, "macs": macs}
            for name, realized, macs in (("conv1", "fp32", 300), ("conv2", "int8", 600), ("conv3", "fp32", 100))
        ]
    }
