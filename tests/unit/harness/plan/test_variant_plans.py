"""Which files may stand beside a model, how they are fed, which targets they give, and what they leave alone."""

import dataclasses

import onnx
import pytest
from conftest import make_model
from onnx_files import brevitas_style, changed, channels_last, gray, half, softmax, two_outputs, uint8_input
from specs import flat

from seatrial import exporters
from seatrial.errors import BadInputError, UnsupportedError, UsageError
from seatrial.exporters import InputContract
from seatrial.exporters.contract import embed
from seatrial.harness.plan.making import Held, make_plan
from seatrial.harness.progress import Silent
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import REFERENCE, Build, TargetSpec

SMALL = exporters.ContractOptions(size=(16, 16))
OWN = InputContract((16, 16), color="bgr", mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
NOTHING = Held()


@pytest.fixture
def planned(model_file, data_folder, calib_folder):
    """A plan with these variants."""

    def plan(*variants, held=NOTHING, **changes):
        fields = {"model": str(model_file), "data": str(data_folder), "calib": str(calib_folder), "contract": SMALL}
        spec = flat(RunSpec, variants=variants, **{**fields, "suite": "quick", **changes})
        return make_plan(spec, Silent(), held)

    return plan


def carrying(path, contract, names=(), **options):
    make_model(path, **options)
    model = onnx.load(path)
    embed(model, contract, names)
    onnx.save(model, path)
    return path


def ids(plan):
    return [target.id for target in plan.targets]


def test_a_quantized_file_gives_its_own_precision_wherever_the_models_are_asked_for(tmp_path, planned):
    vendor = brevitas_style(tmp_path / "v.onnx")
    assert ids(planned(f"vendor={vendor}", targets=(TargetSpec("onnxruntime", "int8"),))) == [
        *("onnxruntime/fp32@cpu", "onnxruntime/int8@cpu", "vendor:onnxruntime/int8@cpu")
    ]
    plan = planned(f"vendor={vendor}", targets=(REFERENCE,))
    assert ids(plan) == ["onnxruntime/fp32@cpu", "vendor:onnxruntime/int8@cpu"]
    assert plan.calib is None
    assert plan.model_of(plan.targets[1]) is plan.variants["vendor"]
    assert plan.world.model_of(plan.targets[0]) is plan.model


def test_a_float_file_gives_itself_and_what_we_make_of_it(tmp_path, planned):
    other, half_file = make_model(tmp_path / "o.onnx", seed=1), changed(tmp_path / "h.onnx", half)
    plan = planned(f"other={other}", f"half={half_file}")
    assert ids(plan)[2:] == [
        *("other:onnxruntime/fp32@cpu", "other:onnxruntime/int8@cpu"),
        *("half:onnxruntime/fp32@cpu", "half:onnxruntime/int8@cpu"),
    ]
    assert all(plan.calibrates(target) for target in plan.targets if target.precision == "int8")


def test_keys_of_others_stay_and_a_files_own_hang_on_it(tmp_path, planned):
    first, second = make_model(tmp_path / "a.onnx", seed=1), make_model(tmp_path / "b.onnx", seed=2)
    fed = carrying(tmp_path / "c.onnx", OWN, seed=1)
    alone, beside = planned(), planned(f"a={first}")

    def keys(plan):
        return {target.id: plan.key(Build(target), plan.conditions[0]) for target in plan.targets}

    assert keys(alone).items() < keys(beside).items()
    name = "a:onnxruntime/int8@cpu"
    found = {keys(planned(f"a={file}"))[name] for file in (first, second, fed)}
    assert len(found) == 3
    assert not found & set(keys(alone).values())


def test_a_file_is_fed_its_own_numbers_else_the_models(tmp_path, planned):
    own, silent = carrying(tmp_path / "own.onnx", OWN), make_model(tmp_path / "silent.onnx")
    flags = dataclasses.replace(SMALL, mean=(0.1, 0.1, 0.1), decoder="opencv")
    raw, last = changed(tmp_path / "raw.onnx", uint8_input), changed(tmp_path / "last.onnx", channels_last)
    plan = planned(f"own={own}", f"silent={silent}", f"raw={raw}", f"last={last}", contract=flags)
    fed = {name: model.contract for name, model in plan.variants.items()}
    assert (fed["own"].color, fed["own"].mean, fed["own"].std) == ("bgr", OWN.mean, OWN.std)
    assert fed["silent"] == plan.model.contract
    assert (fed["raw"].dtype, fed["raw"].mean) == ("uint8", (0.0, 0.0, 0.0))
    assert (fed["last"].layout, fed["last"].mean) == ("nhwc", (0.1, 0.1, 0.1))
    assert {contract.decoder for contract in fed.values()} == {"opencv"}, "what is said of pictures is said of all"


def test_other_pictures_are_refused_with_the_field_and_a_way_out(tmp_path, planned):
    other = dataclasses.replace(OWN, resize="exact", interpolation="opencv-area")
    vendor, model = carrying(tmp_path / "v.onnx", other), carrying(tmp_path / "m.onnx", OWN)
    nothing = exporters.ContractOptions()
    with pytest.raises(BadInputError, match=r"vendor wants other pictures.*resize exact, not none.*compare"):
        planned(f"vendor={vendor}", model=str(model), contract=nothing)
    exact = carrying(tmp_path / "e.onnx", dataclasses.replace(OWN, resize="exact"))
    with pytest.raises(BadInputError, match=r"vendor wants other pictures.*interpolation opencv-area, not"):
        planned(f"vendor={vendor}", model=str(exact), contract=nothing)
    unsized = carrying(tmp_path / "u.onnx", dataclasses.replace(OWN, interpolation="opencv-area"))
    assert ids(planned(f"vendor={unsized}", model=str(model), contract=nothing)), "nothing is resized"
    with pytest.raises(UsageError, match=r"--variant vendor: It cannot be asked .*16 px.*takes 24x24"):
        planned(f"vendor={make_model(tmp_path / 'large.onnx', size=24)}")
    with pytest.raises(BadInputError, match=r"takes 1 channels, .* 3\."):
        planned(f"vendor={changed(tmp_path / 'gray.onnx', gray)}")


def test_another_task_is_refused(tmp_path, planned):
    names = ("a", "b", "c", "d")
    with pytest.raises(BadInputError, match=r"vendor has 5 classes, .* 4"):
        planned(f"vendor={make_model(tmp_path / 'v.onnx', classes=5)}")
    model = carrying(tmp_path / "m.onnx", OWN, names)
    turned = carrying(tmp_path / "t.onnx", OWN, names[::-1])
    with pytest.raises(BadInputError, match="or in another order"):
        planned(f"vendor={turned}", model=str(model), contract=exporters.ContractOptions())


def test_a_file_may_answer_probabilities_and_call_its_scores_otherwise(tmp_path, planned):
    model = changed(tmp_path / "m.onnx", two_outputs)
    plan = planned(f"p={changed(tmp_path / 'p.onnx', softmax)}", model=str(model), output="logits")
    assert (plan.model.scores, plan.variants["p"].scores) == ("logits", "probabilities")
    text = (tmp_path / "p.onnx").read_bytes().replace(b"logits", b"scores")
    (tmp_path / "p.onnx").write_bytes(text)
    plan = planned(f"p={tmp_path / 'p.onnx'}", model=str(model), output="logits")
    assert plan.variants["p"].output_name == "scores"


def test_a_quantized_file_keeps_its_own_precision_and_a_name_needs_a_file(tmp_path, planned):
    vendor = brevitas_style(tmp_path / "v.onnx")
    with pytest.raises(UnsupportedError, match="quantized by itself"):
        planned(f"vendor={vendor}", targets=(TargetSpec("onnxruntime", "int4", variant="vendor"),))
    with pytest.raises(UsageError, match="--variant vendor=FILE"):
        planned(targets=(TargetSpec("onnxruntime", "int8", variant="vendor"),))


def test_a_run_goes_on_with_the_variants_that_it_holds(tmp_path, planned):
    first, second = brevitas_style(tmp_path / "a.onnx"), make_model(tmp_path / "b.onnx", seed=2)
    begun = planned(f"a={first}", targets=(REFERENCE,))
    held = Held(begun.targets, ("clean",), begun.identity.targets, begun.spec.source.variants)
    plan = planned(f"b={second}", targets=(REFERENCE,), held=held)
    assert ids(plan) == ["onnxruntime/fp32@cpu", "a:onnxruntime/int8@cpu", "b:onnxruntime/fp32@cpu"]
    assert plan.spec.source.variants == (f"a={first}", f"b={second}")
    assert all(plan.identity.targets[name] == value for name, value in begun.identity.targets.items())


def test_what_is_to_be_said_of_several_files_is_said_once(tmp_path, planned):
    model, *files = (changed(tmp_path / f"{name}.onnx", gray, seed=seed) for seed, name in enumerate("mabc"))
    plan = planned(*(f"{file.stem}={file}" for file in files), model=str(model))
    (said,) = (note for note in plan.notes if note.startswith("Variant"))
    assert said == f"Variants a, b, c: {plan.model.notes[0]}"


def test_a_file_that_is_not_there_is_named_without_the_models_flag(tmp_path, planned):
    for path, why in ((tmp_path / "x.onnx", ""), (tmp_path, ": it is a folder")):
        with pytest.raises(BadInputError) as caught:
            planned(f"x={path}")
        assert str(caught.value) == f"--variant x: There is no model file {path}{why}. Check its path."


def test_what_is_wrong_with_a_file_is_said_of_the_one_of_several(tmp_path, planned):
    files = [make_model(tmp_path / "a.onnx", seed=1), carrying(tmp_path / "b.onnx", OWN, seed=2)]
    proto = onnx.load(files[1])
    next(entry for entry in proto.metadata_props if entry.key == "seatrial.contract").value = "{}"
    onnx.save(proto, files[1])
    with pytest.raises(BadInputError, match=r"^--variant b: The input contract has the schema None"):
        planned(*(f"{file.stem}={file}" for file in files))


def test_a_precision_that_an_engine_does_not_have_names_the_file_that_brought_it(tmp_path, planned):
    first, second = make_model(tmp_path / "a.onnx", seed=1), make_model(tmp_path / "b.onnx", seed=2)
    targets = (REFERENCE, TargetSpec("onnxruntime", "fp8", variant="b"))
    with pytest.raises(UnsupportedError, match=r"^b:onnxruntime/fp8@cpu: Engine 'onnxruntime' does not run fp8"):
        planned(f"a={first}", f"b={second}", targets=targets)
