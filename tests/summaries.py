"""A summary as in summary.json, made up, and what stands in a page made of one."""

import html.parser

from seatrial.harness.results.check import Check

EVIL = '<script>alert("x")</script>&{{7*7}}[red]'


def condition(top1, delta=None):
    against = delta is not None and {
        "delta": delta,
        "ci95": [delta - 0.01, delta + 0.01],
        "p": 0.0004,
        "agreement": 0.98,
        "negative_flips": 0.01,
        "positive_flips": 0.0,
    }
    return {
        "images": 500,
        "top1": top1,
        "top1_ci95": [0.8, 0.95],
        "top5": 1.0,
        "ties": 0.0,
        "confidence": {"mean": 0.95, "ece": 0.04, "vs_reference": None},
        "vs_reference": against or None,
    }


# The fewest samples that carry a percentile, as MLPerf's early stopping has them.
MINIMA = {50: 11, 90: 64, 95: 130, 99: 662, 99.9: 6636}


def percentiles(p50, samples=3000, **changes):
    """As `latency.single_stream`: what the samples do not carry is null."""
    carried = {percent: p50 * (1 + (percent - 50) / 49) for percent, least in MINIMA.items() if samples >= least}
    values = {f"p{percent}_ms": carried.get(percent) for percent in MINIMA}
    return {
        **values,
        "mean_ms": p50 * 1.05,
        "samples": samples,
        "largest": max(carried, default=None),
        "ci95": {name: [value * 0.98, value * 1.03] for name, value in values.items() if value is not None},
        "bounds": {f"p{percent}_ms": value * 1.04 for percent, value in carried.items() if percent > 50},
        "rounds": 4,
        "kept_rounds": 3,
        **changes,
    }


def speedup(ratio, wide=None):
    return {"ratio": ratio, "ci95": [ratio * 0.95, ratio * 1.05], "rounds": 3, "wide": wide}


def guard(**changes):
    found = {"images": 32, "source": "calibration", "snr_db": 2.34, "labels_changed": 5, "faithful": False}
    return {**found, "nodes": ["attend<"], "kept_float": {}, "not_looked": None, **changes}


def make_summary(name="model", corruptions=("pixelate", "gaussian_noise"), clean=True):
    def target(engine, delta, p50):
        conditions = {"clean": condition(0.9, delta)} if clean else {}
        for corruption in corruptions:
            for severity in (1, 3):
                conditions[f"corruption/{corruption}@{severity}"] = condition(0.9 - severity / 10, delta)
        return {
            "id": f"{engine}/x@cpu",
            "realized": {"int8": 0.75, "fp32": 0.25},
            "engine_bytes": 123456,
            "guard": None if engine == "a" else guard(),
            "build_s": 0.5,
            "simulated": False,
            "rebuilds": None,
            "conditions": conditions,
            "likeness": {},
            "classes": {},
            "metrics": {
                "corruption_top1": 0.7,
                "corruption_delta": delta,
                "share_as_requested": 0.75,
                "speedup": None if delta is None else speedup(2.0 / p50),
                "speedups": {},
                "families": {"noise": {"top1": 0.5, "delta": delta}},
                "mean_corruption_error": 60.52,
                "mce": 76.38,
                "relative_mce": None,
                "mce_vs_reference": 101.5,
            },
            "latency": {"single_stream": percentiles(p50, samples=662)},
            "timed": {"marks": []},
        }

    return {
        "schema": 2,
        "model": {"name": name, "digest": "d", "contract": {"size": [8, 8], "color": name}, "classes": 4},
        "data": {
            "name": name,
            "digest": "e",
            "images": 500,
            "labelled": True,
            "calibration": {"name": name, "images": 3, "digest": "f"},
        },
        "notes": [name],
        "seed": 0,
        "reference": "ref/x@cpu",
        "targets": [target("ref", None, 2.0), target("new", -0.02, 1.0)],
        "failed": [{"target": "bad/x@cpu", "stage": "build", "outcome": "crashed", "says": name}],
        "gate": {
            "verdict": "REGRESSION",
            "gate": "default",
            "limits": {},
            "strict": False,
            "advisory": False,
            "reasons": [f"new/x@cpu: {name}"],
            "checks": [Check(name="realized", target="new/x@cpu", answer="fail", says=name).to_dict()],
        },
    }


def likeness(name="class", agreement=0.99):
    margins = {"images": 5, "quantiles": [0.1, 0.2, 0.3, 0.4, 0.5]}
    flip = {"reference": 0, "target": 1, "images": 3, "reference_name": name, "target_name": name}
    return {
        "images": 500,
        "agreement": agreement,
        "agreement_ci95": [agreement - 0.01, agreement + 0.005],
        "flipped": 5,
        "flips": [flip],
        "kinds_of_flips": 3,
        **dict.fromkeys(("margin", "reference_margin", "kept_margin", "flipped_margin"), margins),
        "less_sure": 0.9,
        "confidence": 0.8,
        "shift": -0.01,
        "shift_ci95": [-0.02, 0.0],
    }


def make_unlabelled(name="model"):
    """The same of images without labels."""
    summary = make_summary(name)
    summary["data"]["labelled"] = False
    for target in summary["targets"]:
        ids, target["conditions"] = list(target["conditions"]), {}
        target["metrics"] = {
            **target["metrics"],
            "corruption_top1": None,
            "families": {},
            "mean_corruption_error": None,
        }
        if target["id"] != summary["reference"]:
            target["likeness"] = {condition_id: likeness(name) for condition_id in ids}
    return summary


class Tags(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen = []
        self.links = []

    def handle_starttag(self, tag, attributes):
        self.seen.append(tag)
        self.links.extend(value for name, value in attributes if name in ("src", "href", "xlink:href"))


def parsed(text):
    tags = Tags()
    tags.feed(text)
    return tags
