"""The plan on paper: its page is what its script makes of the kept costs, and its simulation keeps what it must."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

STUDY = Path(__file__).parents[3] / "docs/studies/cluster"


@pytest.fixture(scope="module")
def study():
    """Its modules, which lie beside each other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(STUDY))
        import simulate

        yield simulate


@pytest.fixture(scope="module")
def costs():
    return json.loads((STUDY / "costs.json").read_text(encoding="utf-8"))


def test_the_page_has_what_the_costs_say(study, costs):
    import page

    text, setting = (STUDY / "index.md").read_text(encoding="utf-8"), study.Setting()
    for table in (
        page.measured_on(costs),
        page.unit_costs(costs),
        page.once(costs),
        page.work(costs, setting),
        page.assumed(setting),
        page.results(costs, setting, attacks=False),
    ):
        assert table in text


@pytest.mark.long
def test_the_page_is_what_the_script_makes(tmp_path):
    words = [sys.executable, STUDY / "page.py", "--out", tmp_path]
    subprocess.run(words, check=True, capture_output=True, env={"PYTHONPATH": str(STUDY.parents[2]), "PATH": ""})
    assert (tmp_path / "index.md").read_text(encoding="utf-8") == (STUDY / "index.md").read_text(encoding="utf-8")
    assert "{{" not in (tmp_path / "index.md").read_text(encoding="utf-8")
    assert (STUDY / "plan.svg").stat().st_size > 10_000


def test_no_work_is_lost_or_done_for_nothing(study, costs):
    setting = study.Setting(images=2000, speed=0.0, repeat=0.0)
    groups = [one for one in study.groups_of(costs) if not one.made_s]
    run = study.Simulation(costs, groups, setting)
    for nodes in (1, 3, 16):
        one = run.slices(nodes)
        assert one.efficiency <= 1.01
        assert (one.hours - one.setup_h) * nodes >= run.work_s / 3600 / setting.cores * 0.97
        assert one.hours - one.setup_h <= run.work_s / 3600 / setting.cores / nodes * 1.1 + 10 / 3600
    alone = run.shards(1)
    assert alone.hours * 3600 == pytest.approx(alone.setup_h * 3600 + run.work_s / setting.cores, rel=0.02)


def test_cut_or_whole_the_work_is_the_same_but_for_further_decoding(study, costs):
    whole, cut = study.groups_of(costs), study.groups_of(costs, 4)
    assert sum(one.count for one in whole) == sum(one.count for one in cut) == len(costs["conditions"]) + 5
    assert max(one.count for one in cut if not one.made_s) == 4
    first, second = (sum(one.whole_s for one in groups if not one.made_s) for groups in (whole, cut))
    assert first < second < 1.05 * first


def test_what_does_not_scale_is_named(study, costs):
    groups = study.groups_of(costs)
    run = study.Simulation(costs, groups)
    assert "square" in study.Simulation(costs, study.groups_of(costs, 4)).shards(64).bound
    assert run.slices(64).efficiency > 0.9
    slow = {**costs, "seconds": {**costs["seconds"], "taking": [0.5]}}
    assert study.Simulation(slow, groups).slices(64).bound == "the driver takes in adversarial images"
    images = study.Simulation(costs, [one for one in groups if not one.made_s])
    assert images.slices(16).efficiency > 0.9
    assert images.slices(256).bound == "set-up"


def test_a_price_changes_the_cost_alone(study, costs):
    groups = [one for one in study.groups_of(costs) if not one.made_s]
    cheap, dear = (study.Simulation(costs, groups, study.Setting(price=price)).slices(16) for price in (0.04, 0.08))
    assert dear.cost == pytest.approx(2 * cheap.cost)
    assert dataclasses.replace(dear, cost=0.0) == dataclasses.replace(cheap, cost=0.0)
