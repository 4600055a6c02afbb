"""What somebody meant who mistyped a name, in every place where names are taken."""

import time

import pytest

from seatrial.calib.options import QuantizeOptions
from seatrial.engines import ENGINES
from seatrial.engines.precision import check_precision
from seatrial.errors import UsageError
from seatrial.exporters import ContractOptions
from seatrial.harness.attacks.ids import parse_attack
from seatrial.harness.conditions import choose
from seatrial.harness.conditions.kinds.protocol import World
from seatrial.harness.conditions.kinds.registry import KINDS
from seatrial.harness.spec.timing import TimingOptions
from seatrial.text import choices, meant


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("int9", "int8"),
        ("INT8", "int8"),
        ("fp23", "fp32"),
        ("banana", None),
        ("", None),
        (7, None),
        ("x" * 10**6, None),
    ],
)
def test_the_name_that_comes_closest(name, said):
    begin = time.perf_counter()
    assert meant(name, ["fp32", "int8"]) == ("" if said is None else f" Did you mean '{said}'?")
    assert time.perf_counter() - begin < 1


def test_all_names_follow():
    assert choices("fp23", ["fp32", "int8"]) == "Did you mean 'fp32'? Known: fp32, int8."
    assert choices("banana", iter(["fp32", "int8"])) == "Known: fp32, int8."


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: ENGINES["openvion"], "openvino"),
        (lambda: KINDS["corruptoin"], "corruption"),
        (lambda: check_precision("in8"), "int8"),
        (lambda: ContractOptions(preset="imagnet").resolve(None), "imagenet"),
        (lambda: choose("standart", World()), "standard"),
        (lambda: choose("standard", World(), ["corruption/gausian_noise@3"]), "corruption/gaussian_noise@3"),
        (lambda: choose("standard", World(), ["gaussian_noise@3"]), "corruption/gaussian_noise@3"),
        (lambda: parse_attack("attack/pdg-linf@2"), "attack/pgd-linf"),
        (lambda: TimingOptions(scenarios=("offlien",)), "offline"),
        (lambda: QuantizeOptions(ranges="entropie"), "entropy"),
    ],
)
def test_every_place_says_it(ask, said):
    with pytest.raises(UsageError) as error:
        ask()
    assert f"Did you mean '{said}'?" in str(error.value)
