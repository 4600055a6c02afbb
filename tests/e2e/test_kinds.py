"""A kind of conditions from outside goes through a whole run: ids, images, keys, results, terminal and report."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import make_folders, make_model
from outside_kind import Turned
from rich.console import Console
from trial_files import trial_files, trials

from seatrial.errors import UsageError
from seatrial.exporters import ContractOptions
from seatrial.harness.conditions import choose, known_ids, suites
from seatrial.harness.conditions.kinds.protocol import World
from seatrial.harness.conditions.kinds.registry import KINDS, kind_of
from seatrial.harness.report.console import print_summary
from seatrial.harness.run.run import run
from seatrial.harness.spec.conditions import ConditionsAsked
from seatrial.harness.spec.images import ImageSource
from seatrial.harness.spec.model import ModelSource
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import Targets, TargetSpec

OPENVINO = TargetSpec("openvino", "fp32")


@pytest.fixture(scope="module", autouse=True)
def turned() -> Iterator[Turned]:
    """The kind, for as long as this module's tests last."""
    kind = Turned()
    KINDS.register(kind.name)(kind)
    yield kind
    del KINDS._parts[kind.name]


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> RunSpec:
    root = tmp_path_factory.mktemp("turned")
    model, data = make_model(root / "m.onnx"), make_folders(root / "data", images=5)
    return RunSpec(
        source=ModelSource(str(model), contract=ContractOptions(size=(16, 16))),
        images=ImageSource(str(data)),
        targets=Targets((OPENVINO,)),
        conditions=ConditionsAsked(suite="turned"),
        out=root / "run",
    )


@pytest.fixture(scope="module")
def done(spec: RunSpec) -> tuple[dict[str, Any], Path]:
    return run(spec)


def test_its_ids_and_suites_stand_behind_ours() -> None:
    assert suites()[-1] == "turned"
    assert known_ids(World())[-1] == "turned/worst"
    assert choose("quick", World(), ["turned/mirr*"]) == ["clean", "turned/mirrored"]
    assert not any(name.startswith("turned/") for name in choose("full", World()))
    with pytest.raises(UsageError, match="turned/mirrored"):
        choose("quick", World(), ["turnde/*"])
    with pytest.raises(ValueError, match="registered twice"):
        KINDS.register("turned")(Turned())


def test_its_conditions_are_asked_of_every_target(done: tuple[dict[str, Any], Path]) -> None:
    summary, out = done
    for target in summary["targets"]:
        assert list(target["conditions"]) == [
            "clean",
            "turned/upside-down",
            "turned/mirrored",
            "turned/both",
            "turned/worst",
        ]
    rows = trials(out)
    clean, both, up, mirrored, worst = (
        rows["onnxruntime/fp32@cpu", name]["margin"].to_numpy()
        for name in ("clean", "turned/both", "turned/upside-down", "turned/mirrored", "turned/worst")
    )
    assert np.abs(clean - both).max() > 1e-4, "the images that it made were read"
    assert any(np.array_equal(worst, one) for one in (up, mirrored)), "what hung on answers was asked, too"


def test_it_shapes_the_key_of_its_own_trials_alone(
    spec: RunSpec, done: tuple[dict[str, Any], Path], turned: Turned, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    identity = json.loads((done[1] / "run.json").read_text())["identity"]
    assert identity["conditions"]["turned/both"] == {"id": "turned/both", "by": "np.flip", "parts": []}
    assert identity["conditions"]["clean"] == {"id": "clean"}
    monkeypatch.setattr(turned, "shape", lambda condition, world: {"id": condition.id, "by": "another"})
    with pytest.raises(UsageError, match=r"differ in: .*turned/both\.by"):
        run(spec)
    run(dataclasses.replace(spec, out=tmp_path / "other"))
    first, second = (set(trial_files(out).items()) for out in (done[1], tmp_path / "other"))
    same = {key for key, path in first} & {key for key, path in second}
    assert len(same) == len(first) == len(second) == 10
    names = {path.name for _, path in first} & {path.name for _, path in second}
    assert names == {path.name for (_, condition), path in first if condition == "clean"}


def test_its_block_metrics_and_notes_are_in_the_summary(done: tuple[dict[str, Any], Path]) -> None:
    summary, _ = done
    for target in summary["targets"]:
        own = summary["turned"]["top1"][target["id"]]
        assert own == {name: target["conditions"][name]["top1"] for name in own}
        assert target["metrics"]["turned_top1"] == min(own.values())
    assert "Left out: turned/tall." in summary["notes"]
    assert "Images were turned over." in summary["notes"]


def test_the_terminal_and_the_report_show_it(done: tuple[dict[str, Any], Path]) -> None:
    summary, out = done
    text = io.StringIO()
    print_summary(summary, out, Console(file=text, width=300))
    assert "turned in the terminal: ['onnxruntime/fp32@cpu', 'openvino/fp32@cpu']" in text.getvalue()
    least = summary["targets"][1]["metrics"]["turned_top1"]
    assert f"and {least} on turned images" in text.getvalue()
    page = (out / "report.html").read_text()
    assert re.search("<h2 id=[^>]*>Turned</h2>", page)
    assert re.search("<th[^>]*>turned over, least top-1</th>", page)
    assert "np.flip 50.00 %" in page
    assert "&lt;script&gt;" in page
    assert page.count("<script>") == 1, "the page's own"


def test_what_it_refuses_is_refused_with_its_words(spec: RunSpec, tmp_path: Path) -> None:
    asked = dataclasses.replace(spec, conditions=ConditionsAsked(globs=("turned/tall",)), out=tmp_path / "run")
    with pytest.raises(UsageError, match="not tall"):
        run(asked)
    assert not (tmp_path / "run").exists()


def test_ranges_are_taken_under_it(turned: Turned) -> None:
    image = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    degraded = kind_of("turned/mirrored").make("turned/mirrored", World()).apply(image, ["a"], 0)
    np.testing.assert_array_equal(degraded, image[:, :, ::-1])
