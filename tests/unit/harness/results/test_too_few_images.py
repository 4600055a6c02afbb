"""What is said where the images are too few: how many would do, and where they are to come from."""

from pathlib import Path

import pytest

from seatrial.harness.results.causes.case import Case
from seatrial.harness.results.causes.commands import Commands
from seatrial.harness.results.causes.running import too_few
from seatrial.harness.results.check import Check
from seatrial.harness.spec.images import ImageSource
from seatrial.harness.spec.run import RunSpec


def found(limit, needed):
    check = Check(name="recovery", target="t", answer="inconclusive", says="", images=200, needed=needed)
    commands = Commands(RunSpec(images=ImageSource("val", limit)), Path("runs/m"))
    (finding,) = too_few(Case({}, {}, [], {}, [check], commands))
    return finding


def test_a_run_that_was_held_to_few_takes_more():
    finding = found(200, 3561)
    assert finding.remedy == "Test about 3,600 images."
    assert finding.command == "python bench.py --from runs/m --limit 3561 --out runs/m-more"


def test_data_that_have_no_more_have_no_command():
    finding = found(None, 3561)
    assert finding.remedy == "Test about 3,600 images; --data has no more than these."
    assert finding.command is None


@pytest.mark.parametrize("limit", [200, None])
def test_what_lies_at_the_limit_is_decided_by_no_number(limit):
    finding = found(limit, None)
    assert "at the limit" in finding.remedy
    assert finding.command is None
