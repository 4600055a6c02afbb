"""What to do about sums that overflow: of a file that is made here, and of one that came as it is."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from seatrial.harness.results.causes.case import Case
from seatrial.harness.results.causes.commands import Commands
from seatrial.harness.results.causes.running import departing
from seatrial.harness.spec.run import RunSpec

OURS, THEIRS = "onnxruntime/int8@cpu", "vendor:onnxruntime/int8@cpu"


def found(way_out):
    guard = {"not_looked": None, "saturating": [2, 3], "optimised": None, "faithful": False, "way_out": way_out}
    guard |= {"labels_changed": 1, "images": 32, "snr_db": 20.0}
    targets = [SimpleNamespace(id=name, engine="onnxruntime", guard=guard) for name in ("reference", OURS, THEIRS)]
    return list(departing(Case({}, {}, targets, {}, [], Commands(RunSpec(), Path("runs/m")), made_here=[OURS])))


@pytest.mark.parametrize("way_out", [None, "basic"])
def test_only_a_file_that_is_made_here_is_made_anew(way_out):
    ours, theirs = found(way_out)
    assert ours.command == "python bench.py --from runs/m --portable --out runs/m-portable"
    assert "--portable" not in (theirs.command or "")
    assert theirs.remedy.startswith("The file came so; one made of the float model with --portable")


def test_a_file_that_came_as_it_is_runs_where_the_engine_computes_what_it_says():
    _, theirs = found("basic")
    assert theirs.command == "python bench.py --from runs/m --optimization basic --out runs/m-optimised"
    assert found(None)[1].command is None
