"""Names of variants, targets of them, and a spec that carries them."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.errors import UsageError
from seatrial.harness.command.config import arguments_of, read_config
from seatrial.harness.command.run import make_parser, spec_of
from seatrial.harness.spec.attacks import AttackOptions
from seatrial.harness.spec.kept import anywhere, from_dict, to_dict
from seatrial.harness.spec.model import ModelSource
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import REFERENCE, TargetSpec, is_yardstick, target_of, yardstick
from seatrial.harness.spec.variants import named_variant, with_variants


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (TargetSpec("onnxruntime", "int8", variant="vendor"), "vendor:onnxruntime/int8@cpu"),
        (TargetSpec("tensorrt", "int8", "cuda:0", "nano", "lsq-w4a4"), "lsq-w4a4:tensorrt/int8@nano/cuda:0"),
    ],
)
def test_the_id_of_a_variants_target_names_it(target: TargetSpec, name: str) -> None:
    assert target.id == name
    assert target_of(name) == target


@pytest.mark.parametrize("name", ["", "Vendor", "fp32", "qdq", "qdq-a", "a/b", "../a", "a:b", "-a", "a b", "\x1b[31m"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError):
        named_variant(f"{name}=a.onnx")
    with pytest.raises(UsageError):
        TargetSpec("onnxruntime", "int8", variant=name)


@pytest.mark.parametrize("text", ["vendor", "vendor=", "a.onnx"])
def test_a_variant_has_a_name_and_a_file(text: str) -> None:
    with pytest.raises(UsageError, match="NAME=FILE"):
        named_variant(text)


def test_each_file_has_a_name_of_its_own() -> None:
    with pytest.raises(UsageError, match="given twice"):
        ModelSource(variants=("a=1.onnx", "a=2.onnx"))
    with pytest.raises(UsageError, match="given twice"):
        with_variants((), ("a=1.onnx", "a=2.onnx"))
    surrogates = AttackOptions(surrogates=("vendor=other.onnx",))
    with pytest.raises(UsageError, match="surrogate by itself"):
        RunSpec(source=ModelSource(variants=("vendor=v.onnx",)), attacks=surrogates)


def test_a_spec_with_variants_is_kept_with_absolute_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spec = RunSpec(source=ModelSource(variants=("vendor=v=1.onnx",)))
    kept = from_dict(RunSpec, to_dict(anywhere(spec)))
    assert kept.source.variants == (f"vendor={tmp_path / 'v=1.onnx'}",)


def test_speed_is_told_against_the_models_own_file() -> None:
    vendor = TargetSpec("onnxruntime", "fp32", variant="vendor")
    other = TargetSpec("openvino", "fp32", variant="vendor", board="pi5")
    among = (vendor, REFERENCE, other)
    assert yardstick(vendor, among) == REFERENCE
    assert yardstick(other, among) is None
    assert not is_yardstick(vendor, among)


def test_flags_and_yaml_add_to_what_is_asked_already(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("variant: [a=1.onnx, b=2.onnx]")
    flags = arguments_of(read_config(tmp_path / "c.yaml"), {"variant"}, (), "it")
    spec = spec_of(vars(make_parser().parse_args(flags)))
    assert spec.source.variants == ("a=1.onnx", "b=2.onnx")
    (target,) = spec_of({"target": ["a:onnxruntime/int8@pi5/cpu"]}).targets.asked
    assert target == TargetSpec("onnxruntime", "int8", board="pi5", variant="a")
