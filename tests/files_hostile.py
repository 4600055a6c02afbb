"""A summary in which every text from outside is hostile, and many checks have every answer."""

from summaries import likeness, make_summary
from timed_runs import make_timed

from seatrial.harness.results.check import Check

MARKUP = (
    "[x](http://a.b) ![i](http://c.d/e.png) <img src=x onerror=alert(1)> `code` **b** | @octocat #12 GH-7 https://e.f"
)
# Escapes, a NUL, an override of the direction of writing, a lone surrogate, what is no character, and line breaks.
SIGNS = "\x1b[31m\x00\u202e\ud800\ufffe\r\n\n# heading\n- item\n| a | b |\n::error::owned\n```\n<script>"
EVIL = f"{MARKUP} {SIGNS}"


def evil_summary():
    """Names, sentences and keys are EVIL wherever they may be."""
    summary = make_timed(EVIL, name=EVIL, corruptions=("fog",))
    summary["timing"] = {"wall": 12.3456}
    for target in summary["targets"]:
        target["timed"]["marks"].append({"kind": EVIL, "scenario": EVIL, "says": EVIL})
        target["id"] = f"{target['id']} {EVIL}"
        delta = None if target is summary["targets"][0] else -0.1
        target["classes"] = {
            EVIL: {"images": 20, "top1": 0.5, "delta": delta, "ci95": delta and [-0.2, 0.0], "p": None}
        }
        target["conditions"][f"corruption/{EVIL}"] = target["conditions"]["corruption/fog@1"]
    summary["reference"] = summary["targets"][0]["id"]
    new = summary["targets"][1]["id"]
    checks = [
        Check(name=EVIL, target=new, answer=answer, says=EVIL, subject=EVIL, binding=binding, unit="points")
        for answer in ("pass", "fail", "inconclusive")
        for binding in ("yes", "failures", "no")
    ]
    summary["gate"] = {**summary["gate"], "reasons": [EVIL], "checks": [check.to_dict() for check in checks]}
    change = {"images": 9, "before": 0.9, "after": 0.8, "delta": -0.1, "ci95": [-0.2, 0.0], "agreement": 0.9}
    changes = {"conditions": {"clean": change, EVIL: change}, "corrupted": change, "classes": {EVIL: change}}
    changes["speed"] = {"before": 1.93, "after": 1.7, "ratio": 0.881, "ci95": [0.802, 0.963]}
    changes["likeness"] = {EVIL: likeness(EVIL)}
    baseline = {
        "first": EVIL,
        "second": EVIL,
        "changed": {EVIL: (EVIL, None)},
        "alone": [EVIL],
        "left_out": {EVIL: EVIL},
    }
    summary["baseline"] = {**baseline, "targets": {new: changes}}
    finding = {"cause": "layer", "target": new, "says": EVIL, "remedy": EVIL, "command": EVIL, "likelihood": 0.9}
    summary["findings"] = [{**finding, "evidence": {}}, {**finding, "target": None, "command": None, "evidence": {}}]
    return summary


def with_checks(*checks, **changes):
    """A harmless summary with these checks."""
    summary = make_summary(name="signs")
    summary["gate"] = {**summary["gate"], "checks": [check.to_dict() for check in checks]}
    return {**summary, "failed": [], **changes}
