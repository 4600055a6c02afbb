"""Flags, the YAML file, and what they mean as a spec."""

from pathlib import Path

import pytest
import yaml

from seatrial.errors import UsageError
from seatrial.exporters import ContractOptions
from seatrial.harness.command import parse_flags
from seatrial.harness.command.run import make_parser, spec_of
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import TargetSpec


def parse(words):
    return spec_of(parse_flags(make_parser(), words))


def test_no_flags_are_the_demo_at_int8():
    spec = parse([])
    assert spec == RunSpec()
    assert (spec.source.model, spec.images.data) == ("demo", None)
    assert spec.targets.asked == (TargetSpec("onnxruntime", "int8"),)


def test_engines_precisions_and_devices_are_a_grid():
    spec = parse(["--engine", "ort", "--engine=null", "--bits", "8", "--precision", "fp32"])
    assert [target.id for target in spec.targets.asked] == [
        "onnxruntime/int8@cpu",
        "onnxruntime/fp32@cpu",
        "null/int8@cpu",
        "null/fp32@cpu",
    ]


@pytest.mark.parametrize(
    ("words", "contract"),
    [
        (["--preset", "imagenet"], ContractOptions(preset="imagenet")),
        (["--size", "64", "--mean", "0.5"], ContractOptions(size=(64, 64), mean=(0.5, 0.5, 0.5))),
        (["--size", "48x64", "--std", "0.1,0.2,0.3"], ContractOptions(size=(48, 64), std=(0.1, 0.2, 0.3))),
        (["--resize", "256", "--crop", "224"], ContractOptions(resize=256, crop=(224, 224))),
        (["--resize", "32x40"], ContractOptions(resize=(32, 40))),
        (["--resize", "none"], ContractOptions(resize="none")),
        (["--resize", "exact", "--color", "bgr"], ContractOptions(resize="exact", color="bgr")),
        (["--mean", "1", "2", "3"], ContractOptions(mean=(1.0, 2.0, 3.0))),
    ],
)
def test_contract_flags(words, contract):
    assert parse(words).source.contract == contract


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--bits", "3"], r"--bits 3.*Known: 32 \(fp32\), 16"),
        (["--bits", "eight"], "no number"),
        (["--precision", "int5"], "Unknown precision 'int5'"),
        (["--engine", "onnxrt"], "Known: kserve, null, onnxruntime"),
        (["--limit", "many"], "--limit"),
        (["--modle", "m.onnx"], "--modle"),
        (["--mod", "m.onnx"], "--mod"),
        (["extra"], "extra"),
        (["--mean", "1", "2"], "three numbers"),
        (["--size", "big"], "no size"),
        (["--resize", "1x2x3"], "no size"),
        (["--config", "/nonexistent.yaml"], "cannot be read"),
    ],
)
def test_what_cannot_be_meant_is_refused(words, says):
    with pytest.raises(UsageError, match=says):
        parse(words)


def test_a_yaml_file_says_the_same_as_flags(tmp_path):
    content = {
        "model": "m.onnx",
        "data": "d.npz",
        "bits": [8, 32],
        "mean": [0.1, 0.2, 0.3],
        "severity": [1, 3],
        "batch_size": 7,
        "out": "runs/x",
        "seed": 5,
    }
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(content))
    words = "--model m.onnx --data d.npz --bits 8 --bits 32 --mean 0.1 0.2 0.3 --severity 1 --severity 3 --batch-size 7"
    assert parse(["--config", str(path)]) == parse([*words.split(), "--out", "runs/x", "--seed", "5"])
    overridden = parse(["--config", str(path), "--seed", "0", "--bits", "32"])
    assert overridden.seed == 0
    assert overridden.targets.asked == (TargetSpec("onnxruntime", "fp32"),)
    assert overridden.out == Path("runs/x")
    by_name = parse(["--config", str(path), "--precision", "int8"])
    assert by_name.targets.asked == (TargetSpec("onnxruntime", "int8"),)


@pytest.mark.parametrize(
    "text",
    [
        "model: [",
        "- a\n- b",
        "modle: x",
        "config: other.yaml",
        "seed: {a: 1}",
        "seed: true",
        "a: !!python/object:os.system x",
    ],
)
def test_a_yaml_file_that_cannot_be_meant_is_refused(tmp_path, text):
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(UsageError):
        parse(["--config", str(path)])
