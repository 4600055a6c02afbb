"""Real engines on real files: faults that runtimes have are found and named, and nothing else is."""

import dataclasses
import json
import signal
import sys

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from attention import attention
from onnx import TensorProto, helper, numpy_helper
from small_graphs import CONTRACT, Images, Net

from seatrial import calib, exporters
from seatrial.calib import QuantizeOptions
from seatrial.calib.integer import quantize_integer
from seatrial.calib.narrow import narrowed
from seatrial.calib.quantizers import Request
from seatrial.engines import places
from seatrial.engines.cpu import processor
from seatrial.exporters.float_view import float_view
from seatrial.harness.guard import Guard, guarded, look, sample_for
from seatrial.harness.plan.request import build_request

IMAGES = Images(40)


def engine_of(model, engine="onnxruntime", precision="int8", **settings):
    return places.build(engine, build_request(model, precision=precision, **settings))


def looked_at(model, engine="onnxruntime", images=IMAGES, **settings):
    with engine_of(model, engine, **settings) as built:
        return Guard(sample_for(images, model)).look(built, model)


def scores(model, *, optimised, images=None):
    """What ONNX Runtime answers, asked without any code of ours."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    if not optimised:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.onnx_bytes, options, providers=["CPUExecutionProvider"])
    pixels = IMAGES.images[:32] if images is None else images
    return session.run(None, {model.input_name: model.contract.normalise(pixels)})[0]


def changed_labels(first, second):
    return int(np.count_nonzero(first.argmax(axis=1) != second.argmax(axis=1)))


@pytest.fixture(scope="module")
def flat(tmp_path_factory):
    return attention(tmp_path_factory.mktemp("flat") / "m.onnx")


@pytest.fixture(scope="module")
def foreign(flat, tmp_path_factory):
    """A user's file: ONNX Runtime's own quantizer, the range of the Softmax as observed."""
    import onnxruntime.quantization as quantization

    class Reader(quantization.CalibrationDataReader):
        def __init__(self):
            self.batches = iter(IMAGES.batches(8))

        def get_next(self):
            batch = next(self.batches, None)
            return None if batch is None else {"input": flat.contract.normalise(batch)}

    folder = tmp_path_factory.mktemp("foreign")
    (folder / "float.onnx").write_bytes(flat.onnx_bytes)
    observed = {"rmin": np.float32(0), "rmax": np.float32(0.006)}
    quantization.quantize_static(
        folder / "float.onnx",
        folder / "int8.onnx",
        Reader(),
        activation_type=quantization.QuantType.QUInt8,
        per_channel=True,
        extra_options={"TensorQuantOverrides": {"attention": [observed]}},
    )
    return exporters.load(folder / "int8.onnx", contract=CONTRACT)


def test_the_fault_of_an_int8_softmax_is_found_and_named_and_so_is_the_way_out(foreign):
    verdict = looked_at(foreign)
    assert not verdict.faithful
    assert "attend" in verdict.nodes
    worst = verdict.pieces[0]
    assert (worst.node, worst.kernel) == ("attend", "QLinearSoftmax")
    assert verdict.way_out == "basic"
    meant, given = scores(foreign, optimised=False), scores(foreign, optimised=True)
    assert verdict.labels_changed == changed_labels(meant, given)
    noise = np.square(meant - given).sum()
    assert verdict.snr_db == pytest.approx(10 * np.log10(np.square(meant).sum() / noise), abs=0.1)
    (caution,) = verdict.cautions("onnxruntime 1")
    for words in ("attend (QLinearSoftmax)", "--keep-float attend", "--optimization basic", "32 calibration images"):
        assert words in caution
    assert look.verdict_of(json.loads(json.dumps(verdict.to_dict()))) == verdict


def test_the_same_file_is_right_without_fusion_and_on_openvino(foreign):
    assert looked_at(foreign, optimization="basic").faithful
    assert looked_at(foreign, "openvino").faithful


def test_our_recipe_leaves_the_softmax_of_an_attention_in_float(flat):
    made = calib.quantize(flat, "int8", engine="onnxruntime", images=IMAGES)
    meant, given = scores(made, optimised=False), scores(made, optimised=True)
    assert np.abs(meant - given).max() < 0.05 * np.abs(meant).max()
    verdict = looked_at(made)
    assert verdict.faithful
    assert verdict.cautions("any") == ()


def test_our_quantizer_leaves_in_float_what_an_engine_computes_otherwise(flat):
    recipe = calib.chosen_recipe("onnxruntime", "int8")  # no product overflows, whatever processor this is
    wrong = dataclasses.replace(recipe, integer_operators=(*recipe.integer_operators, "Softmax"))

    def make(leave):
        made = quantize_integer(Request(float_view(flat), wrong, IMAGES, QuantizeOptions(), leave))
        return narrowed(made) if wrong.narrow else made

    assert not looked_at(make({})).faithful
    process, said = places.EngineProcess("onnxruntime"), []
    with process:
        found = guarded(
            make,
            lambda model: places.PlacedEngine(process, build_request(model, precision="int8")),
            Guard(sample_for(IMAGES, flat)),
            ours=True,
            says=said.append,
        )
        given = found.engine.infer(flat.contract.normalise(IMAGES.images[:32]))
    assert said == ["making its file", "building", "comparing it with its file"] * 2
    ((node, why),) = found.verdict.kept_float
    assert node == "attend"
    assert "QLinearSoftmax" in why
    assert "dB at the scores" in why
    assert calib.warn.kept_float_of(found.model)["attend"] == why
    assert found.verdict.faithful
    assert any("attend is left in float" in caution for caution in found.verdict.cautions("any"))
    np.testing.assert_allclose(given, scores(flat, optimised=False), atol=0.1 * np.abs(given).max())


def test_a_file_of_another_quantizer_is_not_changed(foreign):
    built = []

    def build(model):
        built.append(model)
        return engine_of(model)

    found = guarded(lambda leave: foreign, build, Guard(sample_for(IMAGES, foreign)), ours=False)
    found.engine.close()
    assert built == [foreign]
    assert not found.verdict.faithful


def rounded_to(model, bits):
    """The file with the weights of its convolutions rounded to few bits per channel, and stored as floats: so exporters
    leave them that fold what is constant.
    """
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    graph = proto.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    makers = {node.output[0]: node for node in graph.node}
    for node in graph.node:
        if node.op_type != "Conv":
            continue
        maker = makers[node.input[1]]
        value = constants[maker.input[0]] * constants[maker.input[1]].reshape(-1, 1, 1, 1)
        largest = np.abs(value).max(axis=(1, 2, 3), keepdims=True)
        step = largest / (2 ** (bits - 1) - 1)
        few = (np.rint(value / step) * step).astype(np.float32)
        graph.initializer.append(numpy_helper.from_array(few, f"{node.name}_few"))
        node.input[1] = f"{node.name}_few"
    return dataclasses.replace(model, proto=proto)


def test_low_bit_weights_that_the_optimiser_rounds_again_are_found(tmp_path):
    net = Net()
    spread = np.logspace(0, -3, 16).astype(np.float32).reshape(16, 1, 1, 1)
    wide = (net.rng.standard_normal((16, 8, 3, 3)) * spread / 6).astype(np.float32)
    stem = net.op("Relu", net.conv("input", 3, 8, name="stem"))
    uneven = net.op("Conv", stem, net.constant(wide), name="uneven", pads=[1] * 4)
    even = net.op("Mul", uneven, net.constant((1 / spread).reshape(1, 16, 1, 1)), name="even")
    net.head(net.op("Relu", net.conv(even, 16, 16, name="last")), 16)
    model = net.save(tmp_path / "m.onnx")
    options = QuantizeOptions(keep_float=("even",))
    few = rounded_to(calib.quantize(model, "int8", engine="onnxruntime", images=IMAGES, options=options), 3)
    verdict = looked_at(few)
    assert not verdict.faithful
    assert "uneven" in verdict.nodes
    assert verdict.labels_changed == changed_labels(scores(few, optimised=False), scores(few, optimised=True))
    assert looked_at(few, "openvino").faithful


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("name", ["cifar10_resnet20", "cifar10_resnet56", "gtsrbnet64"])
def test_models_without_a_fault_are_not_told(shared, name, engine):
    side, contract = (64, exporters.ContractOptions(size=(64, 64), mean=(0.5,) * 3, std=(0.5,) * 3))
    if name.startswith("cifar"):
        side, contract = (32, exporters.ContractOptions(preset="cifar10"))
    model = exporters.load(shared / f"models/{name}.onnx", contract=contract)
    with np.load(shared / "data/cifar10/calib.npz") as archive:
        pixels = archive["images"][:64]
    pixels = pixels.repeat(side // 32, axis=1).repeat(side // 32, axis=2)
    images = Images(images=pixels)
    made = calib.quantize(model, "int8", engine=engine, images=images)
    verdict = looked_at(made, engine, images)
    assert verdict.faithful
    assert verdict.pieces == ()
    assert verdict.cautions("any") == ()


# The integer operators of the recipe: operands, attributes, shape.
OPERATORS = {
    "Add": (2, {}, (4, 8, 14, 14)),
    "Mul": (2, {}, (4, 8, 14, 14)),
    "Concat": (3, {"axis": 1}, (4, 8, 14, 14)),
    "Sigmoid": (1, {}, (4, 8, 14, 14)),
    "LeakyRelu": (1, {"alpha": 0.1}, (4, 8, 14, 14)),
    "AveragePool": (1, {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4}, (4, 8, 15, 15)),
    "GlobalAveragePool": (1, {}, (2, 16, 28, 28)),
    "Softmax": (1, {"axis": -1}, (2, 64, 256)),
}


def steps_off(op, seed):
    """Largest difference, in steps, between the fused operator and the file as written, on random scales; and whether
    it was fused.
    """
    operands, attributes, shape = OPERATORS[op]
    rng = np.random.default_rng(seed)
    nodes, constants, fed = [], [], {}

    def pair(value, name, low, high):
        low, high = min(low, 0.0), max(high, 0.0)
        scale = np.float32(max((high - low) / 255, 1e-5))
        zero = np.uint8(np.clip(np.rint(-low / scale), 0, 255))
        constants.extend([numpy_helper.from_array(np.array(v), f"{name}_{w}") for w, v in (("s", scale), ("z", zero))])
        nodes.append(helper.make_node("QuantizeLinear", [value, f"{name}_s", f"{name}_z"], [f"{name}_q"]))
        nodes.append(helper.make_node("DequantizeLinear", [f"{name}_q", f"{name}_s", f"{name}_z"], [name]))
        return scale

    for index in range(operands):
        low, high = sorted(rng.uniform(-8, 8, 2))
        fed[f"x{index}"] = rng.uniform(low, high, shape).astype(np.float32)
        pair(f"x{index}", f"d{index}", low, high)
    nodes.append(helper.make_node(op, [f"d{index}" for index in range(operands)], ["y"], **attributes))
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in fed]
    opset = [helper.make_opsetid("", 17)]

    def run(output, *, optimised, path=None):
        outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)]
        model = helper.make_model(
            helper.make_graph(nodes, op, inputs, outputs, constants), opset_imports=opset, ir_version=9
        )
        options = ort.SessionOptions()
        options.log_severity_level = 3
        if not optimised:
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        if path is not None:
            options.optimized_model_filepath = str(path)
        return ort.InferenceSession(model.SerializeToString(), options).run(None, fed)[0]

    values = run("y", optimised=False)
    factor = rng.uniform(0.7, 1.2)
    step = pair("y", "out", float(values.min()) * factor, float(values.max()) * factor)
    return run, step


@pytest.mark.parametrize("op", OPERATORS)
def test_integer_operators_of_the_recipe_are_off_by_a_step_at_most_and_softmax_is_not(op, tmp_path):
    worst, kernels = 0.0, set()
    for seed in range(12):
        run, step = steps_off(op, seed)
        meant, given = run("out", optimised=False), run("out", optimised=True, path=tmp_path / "o.onnx")
        worst = max(worst, float(np.abs(meant - given).max() / step))
        kernels |= {node.op_type for node in onnx.load(tmp_path / "o.onnx").graph.node}
    assert f"QLinear{op}" in kernels  # else nothing was tested
    in_recipe = op in calib.recipe_for("onnxruntime", "int8").integer_operators
    assert in_recipe is (worst < 1.5), worst


def test_a_verdict_is_kept_and_found_again_only_for_the_same(foreign, flat, tmp_path, monkeypatch):
    guard = Guard(sample_for(IMAGES, foreign), cache=tmp_path)
    with engine_of(foreign) as built:
        first = guard.look(built, foreign)
        with monkeypatch.context() as patch:
            patch.setattr(look.places, "build", None)  # whatever is looked at anew fails
            assert guard.look(built, foreign) == first
            other = dataclasses.replace(guard, sample=sample_for(Images(40, seed=1), foreign))
            with pytest.raises(TypeError):
                other.look(built, foreign)
        (stored,) = tmp_path.glob("*.verdict")
        stored.write_text("{}")
        again = guard.look(built, foreign)
    assert dataclasses.replace(again, seconds=0.0) == dataclasses.replace(first, seconds=0.0)


@pytest.mark.parametrize("dies", [1, 2])
def test_an_engine_that_is_killed_beside_is_started_once_more(foreign, monkeypatch, dies):
    guard = Guard(sample_for(IMAGES, foreign))
    with engine_of(foreign) as built:
        undisturbed, left, build = guard.look(built, foreign), dies, look.places.build

        def killing(*words, **more):
            nonlocal left
            engine = build(*words, **more)
            if left:
                left -= 1
                engine.process._link.process.send_signal(signal.SIGTERM)
                engine.process._link.process.wait()
            return engine

        monkeypatch.setattr(look.places, "build", killing)
        found = guard.look(built, foreign)
    if dies == 1:
        assert dataclasses.replace(found, seconds=0.0) == dataclasses.replace(undisturbed, seconds=0.0)
    else:
        assert "crashed (signal 15, SIGTERM)" in found.not_looked


def test_a_model_that_answers_at_random_is_not_told_for_its_engine(foreign):
    proto = onnx.ModelProto()
    proto.CopyFrom(foreign.proto)
    gemm = next(node for node in proto.graph.node if node.output[0] == "logits_QuantizeLinear_Input")
    like = helper.make_node("RandomNormalLike", [gemm.output[0]], ["noise"], name="noise")
    added = helper.make_node("Add", [gemm.output[0], "noise"], ["noisy"], name="noisy")
    for user in proto.graph.node:
        user.input[:] = ["noisy" if name == gemm.output[0] else name for name in user.input]
    position = list(proto.graph.node).index(gemm) + 1
    for offset, node in enumerate((like, added)):
        proto.graph.node.insert(position + offset, node)
    verdict = looked_at(dataclasses.replace(foreign, proto=proto))
    assert verdict.faithful
    assert "each time" in verdict.not_looked


def test_float_files_and_engines_that_ignore_their_file_are_not_looked_at(flat):
    guard = Guard(sample_for(IMAGES, flat))
    with engine_of(flat, precision="fp32") as built:
        assert guard.look(built, flat) is None


def test_a_file_that_saturates_is_found_on_a_processor_where_it_does(tmp_path, monkeypatch, haswell):
    """8-bit weights of one sign on activations of one sign: sums of two products overflow 16 bits where there is no
    VNNI. The engines run on such a processor, emulated.
    """
    net = Net()
    value = net.op("Relu", net.conv("input", 3, 16, name="stem"))
    weight = net.constant(np.abs(net.rng.normal(0.1, 0.02, (16, 16, 3, 3))).astype(np.float32))
    net.head(net.op("Relu", net.op("Conv", value, weight, name="full", pads=[1] * 4)), 16)
    model = net.save(tmp_path / "m.onnx")
    made = calib.quantize(model, "int8", engine="onnxruntime", images=IMAGES, saturates=False)
    if not processor().saturates:
        assert looked_at(made, images=Images(8)).faithful
    monkeypatch.setattr(sys, "executable", str(haswell))  # what engines' processes are started with
    verdict = looked_at(made, images=Images(8), optimization="extended")
    assert verdict.not_looked is None
    assert not verdict.faithful
    assert "stem" in verdict.nodes
    assert set(verdict.nodes) <= {"stem", "full", "fc"}
    layers, of = verdict.saturating
    assert 1 <= layers <= of == 3
    (caution,) = verdict.cautions("any")
    assert f"{layers} of 3 layers can saturate on this processor" in caution
    assert f"{verdict.labels_changed} get another label" in caution
    assert "--portable" in caution
