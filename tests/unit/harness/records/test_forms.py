"""A file of a run whose checksum holds may still be somebody else's: what does not fit is said."""

import copy
import dataclasses
import json

import pytest

from seatrial.errors import DamagedError
from seatrial.harness.records.checked import read_values, write_values
from seatrial.harness.records.forms import NotThereError, Stored, misfit


@pytest.mark.parametrize(
    ("name", "values", "says"),
    [
        ("audit.json", {"targets": []}, "it.targets is no object"),
        ("audit.json", {"targets": {"a": {"cautions": [1]}}}, r"it.targets.a.cautions\[0\] is no str"),
        ("audit.json", {"targets": {"a": {"guard": {"saturating": "x"}}}}, "guard.saturating is no"),
        ("audit.json", {"targets": {"a": {"guard": {"optimised": {"level": 1}}}}}, "optimised.level is no str"),
        ("audit.json", {"targets": {"a": {"guard": {"faithful": False, "snr_db": None}}}}, "snr_db is null"),
        ("spent.json", {"wall": 10**400}, "it.wall"),
        ("spent.json", {"wall": True}, "it.wall is a truth value"),
        ("flips.json", {"targets": {}}, "it has no 'condition'"),
        ("flips.json", {"condition": "clean", "targets": {"a": {"first": 1, "all": {}}}}, "it.targets.a.first is no"),
        ("timing.json", {"places": {"here": {"scenarios": None}}}, "it.places.here.scenarios is no object"),
        (
            "timing.json",
            {"targets": {"a": {"single_stream": {"blocks": [{"counters": {"probe_ns": [1]}}]}}}},
            "probe_ns is no",
        ),
        ("timing.json", {"targets": {"a": {"offline": {"blocks": 3}}}}, "it.targets.a.offline.blocks is no list"),
        ("timing.json", {"targets": {"a": {"single_stream": {"expected_differs": []}}}}, "expected_differs is no"),
        ("timing.json", {"targets": {"a": {"server": {"tried": [{"rate": 1, "keeps": 1}]}}}}, "keeps is no"),
        ("timing.json", {"places": {"here": {"place": {"name": []}}}}, "place.name is no"),
        ("timing.json", {"places": {"here": {"machine": {"before": {"gpus": 0.5}}}}}, "before is no reading"),
        (
            "timing.json",
            {"places": {"here": {"machine": {"during": [{"memory": {"total_bytes": "x"}}]}}}},
            "no reading",
        ),
        ("timing.json", {"targets": {"a": {"end_to_end": [{"p50_ms": "x"}]}}}, r"end_to_end\[0\].p50_ms is no"),
        ("timing.json", {"targets": {"a": {"end_to_end": {}}}}, "end_to_end is no"),
        ("timing.json", {"targets": {"a": {"sweep": [{"threads": 1.5}]}}}, "threads is no int"),
        ("timing.json", {"targets": {"a": {"loadgen": {"offline": {"valid": 1}}}}}, "valid is no bool"),
        ("timing.json", {"targets": {"a": {"energy": {"rapl": {"watts": []}}}}}, "watts is no"),
        ("timing.json", {"targets": {"a": {"device": {"h2d_ms": {}}}}}, "h2d_ms is no"),
        ("timing.json", {"parts": {"sweep": {"targets": [1]}}}, r"it.parts.sweep.targets\[0\] is no str"),
        ("run.json", {"asked": {"targets": "all"}}, "it.asked.targets is no list"),
        ("run.json", {"spec": {"source": []}}, "it.spec.source is no object"),
        ("run.json", {"spec": {"conditions": {"globs": [None]}}}, r"globs\[0\] is no str"),
        ("failures.json", {"failed": [{"target": "a"}]}, r"it.failed\[0\] has no 'stage'"),
        (
            "failures.json",
            {"failed": [{"target": None, "stage": "build", "outcome": "failed", "says": "no"}]},
            r"it.failed\[0\].target is no str",
        ),
        ("findings.json", {"calibration": {"differences": [{"interval": 0.5}]}}, "interval is no list"),
        ("findings.json", {"calibration": {"differences": [{"interval": [0.5]}]}}, "interval is no pair"),
        ("findings.json", {"calibration": {"differences": [{"interval": [0.5, "x"]}]}}, r"interval\[1\] is no"),
        ("findings.json", {"calibration": {"differences": [{"first": "x"}]}}, "first is no"),
        ("findings.json", {"contract": {"images": 3, "better": 2, "worse": 2}}, "counts more images than it has"),
        ("findings.json", {"contract": {"images": 0}}, "counts more images than it has"),
        ("findings.json", {"contract": {"failed": "no", "wrong": True, "flags": 5}}, "it.contract.flags is no list"),
        ("findings.json", {"damage": None}, "it.damage is no object"),
        ("findings.json", {"damage": {"channels": [{"repaired": {"damaged": 1}}]}}, "damaged is no bool"),
        ("findings.json", {"layers": {"a": {"steps": [{"own_db": "x"}]}}}, "own_db is no"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, name, values, says):
    write_values(tmp_path / name, values)
    with pytest.raises(DamagedError, match=says):
        read_values(tmp_path / name)


def test_a_look_that_failed_and_a_set_that_nobody_compared_fit(tmp_path):
    found = {"contract": {"failed": "NaN scores"}, "calibration": None, "damage": {"channels": [], "dead": []}}
    write_values(tmp_path / "findings.json", {**found, "layers": {"a": {"images": 8, "failed": "no insides"}}})
    assert read_values(tmp_path / "findings.json")["contract"] == {"failed": "NaN scores"}


def test_a_key_that_is_missing_is_named_with_its_file(tmp_path):
    write_values(tmp_path / "audit.json", {"targets": {"a": {"requested": "int8"}}})
    found = read_values(tmp_path / "audit.json")
    assert found["targets"]["a"].get("cautions", ()) == ()
    assert json.dumps(found) == json.dumps({"targets": {"a": {"requested": "int8"}}})
    with pytest.raises(DamagedError, match=r"audit.json is not what was written: it has no 'cautions'"):
        found["targets"]["a"]["cautions"]


def test_nesting_has_an_end():
    deep = None
    for _ in range(500):
        deep = {"a": deep}
    form = {}
    form["*"] = form  # of any depth
    assert "nested too deep" in misfit(deep, form)


def test_what_was_read_may_be_copied_and_be_part_of_a_dataclass():
    @dataclasses.dataclass
    class Holder:
        read: Stored

    stored = Stored.of("audit.json", {"a": {"b": 1}})
    assert dataclasses.asdict(Holder(stored)) == {"read": {"a": {"b": 1}}}
    assert copy.deepcopy(stored) == stored
    with pytest.raises(NotThereError, match=r"audit\.json"):
        copy.copy(stored["a"])["c"]
