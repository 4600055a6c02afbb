"""--from RUN in each command: what the run was asked, what flags replace, and what they extend."""

import dataclasses
from pathlib import Path

import pytest
from rich.console import Console

from seatrial import api
from seatrial.calib.options import QuantizeOptions
from seatrial.engines.timing.scenario import SCENARIOS
from seatrial.errors import BadInputError, UsageError
from seatrial.exporters import ContractOptions
from seatrial.harness.command import build, diff, parse_flags, quantize, run
from seatrial.harness.records.checked import write_values
from seatrial.harness.spec.attacks import AttackOptions
from seatrial.harness.spec.calibration import CalibrationSource
from seatrial.harness.spec.conditions import ConditionsAsked
from seatrial.harness.spec.diff import DEFAULT_LIMIT
from seatrial.harness.spec.gate import GateOptions
from seatrial.harness.spec.images import ImageSource
from seatrial.harness.spec.kept import to_dict
from seatrial.harness.spec.model import ModelSource
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import REFERENCE, Targets, TargetSpec
from seatrial.harness.spec.timing import TimingOptions
from seatrial.harness.spec.work import WorkOptions

INT4 = TargetSpec("openvino", "int4", "GPU")
TIMED = TimingOptions(scenarios=("single-stream", "offline"), starts=5, sweep_batch=(8,), cool_down="45")
ASKED = RunSpec(
    source=ModelSource("m.onnx", contract=ContractOptions(size=(8, 8), mean=(0.1, 0.2, 0.3))),
    images=ImageSource("test", 100),
    calibration=CalibrationSource("calib", 50, 7),
    quantization=QuantizeOptions(ranges="mse", keep_float=("a",)),
    seed=3,
    targets=Targets((REFERENCE, INT4), threads=2),
    conditions=ConditionsAsked("full", ("clean", "corruption/fog@3")),
    attacks=AttackOptions(("one=a.onnx",), queries=9),
    gate=GateOptions(min_realized=0.5),
    timing=TIMED,
    work=WorkOptions(workers=2, batch_size=4),
)


def kept(folder, spec=ASKED, changes=None):
    """A run's description; what shaped its answers is left out."""
    asked = {"targets": [target.id for target in spec.targets.asked], "conditions": list(spec.conditions.globs)}
    identity = {"run": {}, "targets": {}, "conditions": {}}
    folder.mkdir(exist_ok=True)
    content = {"schema": 2, "spec": to_dict(spec), "asked": asked, "identity": identity, **(changes or {})}
    write_values(folder / "run.json", content)
    return folder


@pytest.fixture
def root(tmp_path):
    return kept(tmp_path / "run")


def given(command, root, *words):
    return parse_flags(command.make_parser(), ["--from", str(root), *map(str, words)])


def asked(root, *words):
    return run.spec_of(given(run, root, *words))


def test_alone_it_is_the_same_run(root):
    assert asked(root) == ASKED


def test_flags_replace_single_values(root):
    spec = asked(root, "--mean", 0.5, "--limit", 9, "--calib-seed", 1, "--ranges", "minmax", "--queries", 5)
    assert spec.source == ModelSource("m.onnx", contract=ContractOptions(size=(8, 8), mean=(0.5, 0.5, 0.5)))
    assert spec.images == ImageSource("test", 9)
    assert spec.calibration == CalibrationSource("calib", 50, 1)
    assert spec.quantization == QuantizeOptions(ranges="minmax", keep_float=("a",))
    assert spec.attacks == AttackOptions(("one=a.onnx",), queries=5)
    assert (spec.targets, spec.conditions, spec.gate) == (ASKED.targets, ASKED.conditions, ASKED.gate)


def test_timing_flags_replace_single_values_and_extend_lists(root):
    assert asked(root).timing == TIMED
    words = ["--scenario", "server", "--scenario", "offline", "--latency-bound", 9, "--sweep-batch", 1, 4]
    spec = asked(root, *words, "--end-to-end", "pipeline/decode=*")
    assert spec.timing == dataclasses.replace(
        TIMED,
        scenarios=("single-stream", "offline", "server"),
        bound_ms=9,
        sweep_batch=(8, 1, 4),
        end_to_end=("contract", "pipeline/decode=*"),
    )
    assert asked(root, "--end-to-end", "none").timing.end_to_end == ()
    assert set(asked(root, "--scenario", "all").timing.timed) == set(SCENARIOS)


def test_flags_extend_what_is_repeatable(root):
    words = ["--conditions", "pipeline/*", "--conditions", "clean", "--target", "onnxruntime/int8", "--target"]
    spec = asked(
        root, *words, "openvino/int4@GPU", "--surrogate", "two=b.onnx", "--keep-float", "b", "--keep-float", "a"
    )
    assert spec.conditions.globs == ("clean", "corruption/fog@3", "pipeline/*")
    assert spec.targets.asked == (REFERENCE, INT4, TargetSpec("onnxruntime", "int8"))
    assert spec.attacks.surrogates == ("one=a.onnx", "two=b.onnx")
    assert spec.quantization.keep_float == ("a", "b")
    assert asked(root, "--suite", "quick").conditions == ConditionsAsked("quick")


def test_a_file_is_between_the_run_and_the_flags(root, tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text(f"from: {root}\nlimit: 8\nseed: 4\nconditions: [pipeline/*]\nkeep-float: b\n")
    spec = run.spec_of(parse_flags(run.make_parser(), ["--config", str(file), "--limit", "7", "--conditions", "clean"]))
    assert (spec.images, spec.seed, spec.calibration.limit) == (ImageSource("test", 7), 4, 50)
    assert spec.conditions.globs == ASKED.conditions.globs  # of a repeatable flag, what is typed replaces the file's
    assert spec.quantization.keep_float == ("a", "b")


def test_build_takes_all_targets_or_the_one_for_its_file(root):
    def targets(*words):
        return build.spec_of(given(build, root, *words), Console()).targets

    assert targets() == ASKED.targets
    assert targets("--target", "onnxruntime/int8").asked == (REFERENCE, INT4, TargetSpec("onnxruntime", "int8"))
    assert targets("--target", "onnxruntime/int8", "--out", "x") == Targets(
        (TargetSpec("onnxruntime", "int8"),), threads=2
    )
    with pytest.raises(UsageError, match="--out names one file, and there are 2 targets"):
        targets("--out", "x")


def test_quantize_makes_the_file_of_the_run_s_target(root):
    spec = quantize.spec_of(given(quantize, root, "--out", "x.onnx"))
    assert (spec.engine, spec.precision) == ("openvino", "int4")
    assert (spec.source, spec.calibration, spec.quantization) == (ASKED.source, ASKED.calibration, ASKED.quantization)
    assert spec.seed == 3
    other = quantize.spec_of(given(quantize, root, "--bits", 8, "--engine", "trt", "--out", "x.onnx"))
    assert (other.engine, other.precision) == ("trt", "int8")


def test_diff_looks_at_the_run_s_target(root):
    spec = diff.spec_of(given(diff, root))
    assert spec.target == INT4
    assert spec.run.images == ImageSource("test", DEFAULT_LIMIT)
    assert spec.run.source == ASKED.source
    assert diff.spec_of(given(diff, root, "--engine", "ort")).target == TargetSpec("onnxruntime", "int4", "cpu")
    assert diff.spec_of(given(diff, root, "--bits", 8)).target == TargetSpec("openvino", "int8", "cpu")


def test_one_of_several_targets_is_named(tmp_path):
    three = Targets((REFERENCE, TargetSpec("onnxruntime", "int8"), TargetSpec("onnxruntime", "int4"), INT4))
    root = kept(tmp_path / "run", RunSpec(targets=three))
    for words in ([], ["--engine", "onnxruntime"], ["--bits", 4]):
        with pytest.raises(UsageError, match="Which of onnxruntime/int8@cpu, onnxruntime/int4@cpu, openvino/int4@GPU"):
            diff.spec_of(given(diff, root, *words))
    assert diff.spec_of(given(diff, root, "--engine", "openvino")).target == INT4
    assert diff.spec_of(given(diff, root, "--bits", 8)).target == TargetSpec("onnxruntime", "int8")
    alone = kept(tmp_path / "alone", RunSpec(targets=Targets((REFERENCE,))))
    assert diff.spec_of(given(diff, alone)).target == REFERENCE


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"spec": None}, "not a run's description"),
        ({"spec": {"schema": 99}}, "has schema 99"),
        ({"spec": {"schema": 1, "seed": -1}}, "--seed is -1"),
        ({"asked": {"targets": ["int8"], "conditions": []}}, "no target's id"),
        ({"asked": {"targets": [], "conditions": []}}, "At least one target"),
        ({"asked": {"targets": [3], "conditions": []}}, "not a run's description"),
        ({"asked": None}, "not a run's description"),
    ],
)
def test_a_damaged_description_names_its_file(tmp_path, changes, says):
    root = kept(tmp_path / "run", changes=changes)
    with pytest.raises(BadInputError, match=f"run.json.*{says}"):
        asked(root)


def test_a_description_that_was_edited_is_told(root):
    file = root / "run.json"
    file.write_text(file.read_text().replace('"seed": 3', '"seed": 4'))
    with pytest.raises(BadInputError, match=r"run\.json is damaged.*Give the flags"):
        asked(root)


@pytest.mark.parametrize("name", ["nothing", "folder", "file"])
def test_what_is_no_run_is_told_by_its_flag(tmp_path, name):
    (tmp_path / "folder/inside").mkdir(parents=True)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=f"--from .*{name} holds no run"):
        asked(tmp_path / name)
    with pytest.raises(UsageError, match=f"--reuse .*{name} holds no run"):
        api.run(RunSpec(reuse=tmp_path / name, out=tmp_path / "out"))
    assert not Path(tmp_path / "out").exists()


def test_images_that_a_run_made_for_some_targets_are_not_for_all_in_what_goes_on_from_it(tmp_path):
    ids = ("clean", "attack/pgd-linf@2+lsq", "attack/pgd-linf@8+lsq")
    spec = dataclasses.replace(ASKED, conditions=ConditionsAsked(suite="attack", globs=("attack/pgd-linf@8+*",)))
    root = kept(tmp_path / "run", spec, {"asked": {"targets": ["onnxruntime/fp32@cpu"], "conditions": list(ids)}})
    assert asked(root).conditions.globs == ids
    assert asked(root).conditions.for_all == ("attack/pgd-linf@8+*",)
    further = asked(root, "--conditions", ids[1]).conditions
    assert (further.globs, further.for_all) == (ids, ("attack/pgd-linf@8+*", ids[1]))
