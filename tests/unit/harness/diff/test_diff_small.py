"""The comparison itself, on small networks and real engines: what it names, and what it survives."""

import math

import numpy as np
import onnx
import pytest
from conftest import make_folders
from onnx import TensorProto, helper, numpy_helper
from small_graphs import CONTRACT, Images, Net, branches, build, residual
from specs import flat

from seatrial import calib
from seatrial.calib import QuantizeOptions
from seatrial.errors import UnsupportedError, UsageError
from seatrial.harness.diff import DiffSpec, diff
from seatrial.harness.diff.shown import QUANTIZED_DB, parted_db
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import TargetSpec

INT8 = TargetSpec("onnxruntime", "int8")
FP32 = TargetSpec("onnxruntime", "fp32")


@pytest.fixture
def data(tmp_path):
    return make_folders(tmp_path / "test", images=3, size=20)


def spec_for(path, data, target=INT8, limit=5, **more):
    own = {name: more.pop(name) for name in list(more) if name in DiffSpec.__dataclass_fields__}
    run = flat(RunSpec, model=str(path), data=str(data), contract=CONTRACT, targets=(target,), limit=limit, **more)
    return DiffSpec(run=run, **own)


def saved(tmp_path, model, name="net.onnx"):
    path = tmp_path / name
    path.write_bytes(model.onnx_bytes)
    return path


def int8_of(model, engine="openvino", **options):
    return calib.quantize(model, "int8", engine=engine, images=Images(), options=QuantizeOptions(**options))


def spoil(model, name, factor):
    tensor = next(tensor for tensor in model.proto.graph.initializer if tensor.name == name)
    tensor.CopyFrom(numpy_helper.from_array((numpy_helper.to_array(tensor) * factor).astype(np.float32), name))
    model.__dict__.pop("onnx_bytes", None)
    return model


@pytest.mark.parametrize("factor", [1 / 16, 16])
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_spoilt_scale_is_the_largest_step(tmp_path, data, engine, factor):
    model = build("residual", tmp_path)
    path = saved(tmp_path, spoil(int8_of(model, engine), "relu1_out_scale", factor), "int8.onnx")
    found = diff(spec_for(path, data, float_model=str(saved(tmp_path, model))))
    step = found.steps[0]
    assert (step.kind, step.layer.value) == ("rounding", "relu1_out")
    assert step.own_db < found.steps[1].own_db - 8
    assert step.keep_float == ()  # the file is the user's
    assert (step.layer.saturated > 0.05) == (factor < 1)
    assert found.layers[0].value == "input"


def test_a_spoilt_weight_is_the_largest_step(tmp_path, data):
    model = build("residual", tmp_path)
    made = int8_of(model)
    weight = next(node for node in made.proto.graph.node if node.name == "b1").input[1]
    scale = next(node.input[1] for node in made.proto.graph.node if node.output[0] == weight)
    path = saved(tmp_path, spoil(made, scale, 1.2), "int8.onnx")
    found = diff(spec_for(path, data, float_model=str(saved(tmp_path, model))))
    assert (found.steps[0].kind, found.steps[0].layer.node) == ("layer", "b1")
    assert found.steps[0].own_db == pytest.approx(-20 * math.log10(0.2), abs=1.5)


def test_an_error_that_is_passed_on_is_not_blamed_on_those_behind(tmp_path, data):
    model = build("residual", tmp_path)
    path = saved(tmp_path, spoil(int8_of(model), "input_scale", 100.0), "int8.onnx")
    found = diff(spec_for(path, data, float_model=str(saved(tmp_path, model))))
    assert found.parts_at.value == "input"
    behind = [layer for layer in found.layers if layer.snr_db < QUANTIZED_DB and layer.value != "input"]
    assert len(behind) > 5
    assert all(layer.layer_db is None or layer.layer_db > 35 for layer in behind)


def test_a_layer_that_reads_a_value_unrounded_is_fed_so(tmp_path, data):
    """Of the two that read relu1_out, add1 reads it rounded, a1 is float and does not."""
    model = build("residual", tmp_path)
    path = saved(tmp_path, int8_of(model, keep_float=("a1",)), "int8.onnx")
    found = diff(spec_for(path, data, float_model=str(saved(tmp_path, model))))
    layers = {layer.node: layer for layer in found.layers}
    assert layers["a1"].layer_db > 100
    assert layers["a2"].layer_db < 60
    assert layers["relu1"].rounding_db < 60
    assert layers["relu1"].readers == ("add1",)


@pytest.mark.parametrize("network", ["residual", "normalised", "squeeze_excite", "branches", "convolutional"])
def test_one_engine_against_itself_does_not_part(tmp_path, data, network):
    path = saved(tmp_path, build(network, tmp_path))
    found = diff(spec_for(path, data, FP32))
    assert found.parts_at is None
    assert found.worst == []
    assert found.layers
    assert not found.unmatched
    assert (found.answers.agreement, found.images, found.trusted) == (5, 5, True)


@pytest.mark.parametrize("network", ["residual", "branches", "convolutional"])
def test_another_runtime_in_float_differs_by_rounding(tmp_path, data, network):
    pytest.importorskip("torch")
    path = saved(tmp_path, build(network, tmp_path))
    found = diff(spec_for(path, data, TargetSpec("pytorch", "fp32")))
    assert found.parts_at is None
    assert all(layer.snr_db > 100 for layer in found.layers)
    assert all(layer.layer_db > 100 for layer in found.layers)


@pytest.mark.parametrize("network", ["residual", "branches", "convolutional"])
def test_a_run_quantizes_the_same(tmp_path, data, network):
    path = saved(tmp_path, build(network, tmp_path))
    calibration = make_folders(tmp_path / "calib", images=4, seed=1)
    found = diff(spec_for(path, data, calib=str(calibration)))
    assert found.steps[0].keep_float
    kept = diff(
        spec_for(path, data, calib=str(calibration), quantization=QuantizeOptions(keep_float=found.steps[0].keep_float))
    )
    first = found.steps[0]
    assert not [step for step in kept.steps if (step.kind, step.layer.value) == (first.kind, first.layer.value)]


def test_rounded_values_are_those_of_the_untouched_engine(tmp_path, data):
    path = saved(tmp_path, build("residual", tmp_path))
    calibration = str(make_folders(tmp_path / "calib", images=4, seed=1))
    found = diff(spec_for(path, data, calib=calibration, same_file=True))
    assert (found.values, found.trusted, found.target_instrumented.snr_db) == ("rounded", True, math.inf)
    assert {layer.op for layer in found.layers} == {"DequantizeLinear", "Gemm"}
    with pytest.raises(UsageError, match=r"--values rounded: .* has no Q/DQ nodes"):
        diff(spec_for(path, data, FP32, values="rounded"))


def test_the_result_does_not_depend_on_what_is_in_a_batch(tmp_path, data, monkeypatch):
    path = saved(tmp_path, build("residual", tmp_path))
    calibration = str(make_folders(tmp_path / "calib", images=4, seed=1))
    whole = diff(spec_for(path, data, calib=calibration))
    monkeypatch.setattr("seatrial.harness.diff.comparison._LARGEST_BATCH", 1)
    single = diff(spec_for(path, data, calib=calibration))
    for one, two in zip(whole.layers, single.layers, strict=True):
        assert one.snr_db == pytest.approx(two.snr_db, abs=0.5)
        assert one.worst_image[0] == two.worst_image[0] or one.worst_image[1] == pytest.approx(two.worst_image[1], 0.1)


def net(tmp_path, write, *, batch="batch", name="odd.onnx"):
    """A classifier that `write` adds nodes to; written without onnx's checker."""
    made = Net()
    write(made)
    graph = helper.make_graph(
        made.nodes,
        "net",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, 3, 16, 16])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, 4])],
        made.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    path = tmp_path / name
    path.write_bytes(model.SerializeToString())
    return path


def with_subgraph(made):
    """An If whose branches read a value from outside."""
    value = made.op("Relu", made.conv("input", 3, 8, name="stem"))
    total = made.op("ReduceSum", value, name="total", keepdims=0)
    positive = made.op("Greater", total, made.constant(np.float32(0)), name="positive")
    branch = [
        helper.make_graph(
            [helper.make_node(kind, [value], [f"{kind}_result"])],
            kind,
            [],
            [helper.make_tensor_value_info(f"{kind}_result", TensorProto.FLOAT, None)],
        )
        for kind in ("Neg", "Abs")
    ]
    chosen = made.op("If", positive, name="choose", then_branch=branch[1], else_branch=branch[0])
    made.head(chosen, 8)


def with_shapes(made):
    """Shapes, integers and booleans computed on the way, a value of no elements, and outputs that nobody names."""
    value = made.op("Relu", made.conv("input", 3, 8, name="stem"))
    shape = made.op("Shape", value, name="shape")
    turned = made.op("Reshape", made.op("Neg", value), shape, name="back")
    best = made.op("ArgMax", turned, name="best", axis=1, keepdims=1)
    made.op("Cast", best, name="unused", to=TensorProto.FLOAT)
    made.op("Slice", turned, *[made.constant(np.array(v, np.int64)) for v in ([0], [0], [1])], name="empty")
    made.op("Dropout", turned, name="drop", out=["dropped", ""])
    made.head("dropped", 8)


def with_zeros(made):
    """A layer that is 0 for every image."""
    value = made.op("Relu", made.conv("input", 3, 8, name="stem"))
    dead = made.op("Mul", value, made.constant(np.float32(0)), name="dead")
    made.head(made.op("Add", value, dead, name="sum"), 8)


def without_names(made):
    residual(made)
    for node in made.nodes:
        node.name = ""


@pytest.mark.parametrize("write", [with_subgraph, with_shapes, with_zeros, without_names, residual, branches])
@pytest.mark.parametrize("batch", ["batch", 2])
def test_odd_graphs_are_compared(tmp_path, data, write, batch):
    found = diff(spec_for(net(tmp_path, write, batch=batch), data, FP32))
    assert found.parts_at is None
    assert {"logits", "stem_out"} <= {layer.value for layer in found.layers}
    assert not found.notes
    assert found.answers.agreement == 5


def test_where_onnxruntime_refuses_the_graph_the_rest_is_told(tmp_path, data):
    """Two nodes of one name: PyTorch runs them, the session in which operators run once more does not."""
    pytest.importorskip("torch")

    def write(made):
        value = made.op("Relu", made.conv("input", 3, 8, name="twice", out="c1"), name="twice", out="r1")
        made.head(value, 8)

    engine = TargetSpec("pytorch", "fp32")
    found = diff(spec_for(net(tmp_path, write), data, engine, against=engine))
    assert found.parts_at is None
    assert [layer.value for layer in found.layers][:2] == ["c1", "r1"]
    assert all(layer.layer_db is None for layer in found.layers)
    assert len(found.notes) == 1
    assert "two nodes with same node name" in found.notes[0]


def test_a_frozen_batch_counts_no_image_twice(tmp_path, data):
    calibration = str(make_folders(tmp_path / "calib", images=4, seed=1))
    frozen = diff(spec_for(net(tmp_path, residual, batch=4), data, calib=calibration))
    free = diff(spec_for(net(tmp_path, residual, name="free.onnx"), data, calib=calibration))
    for one, two in zip(frozen.layers, free.layers, strict=True):
        assert one.snr_db == pytest.approx(two.snr_db, abs=1e-3)
        assert one.rounding_db == pytest.approx(two.rounding_db, abs=1e-3)
        assert one.saturated == two.saturated
        assert one.worst_image[0] == two.worst_image[0]


def test_nan_on_one_side_is_where_they_part(tmp_path, data):
    """The target's file gives the root of a negative number, the reference's does not."""

    def write(made, offset):
        value = made.op("Relu", made.conv("input", 3, 8, name="stem"))
        moved = made.op("Add", value, made.constant(np.float32(offset)), name="moved")
        made.head(made.op("Relu", made.op("Sqrt", moved, name="root"), name="after"), 8)

    good = net(tmp_path, lambda made: write(made, 100.0))
    bad = net(tmp_path, lambda made: write(made, -0.1), name="bad.onnx")
    found = diff(spec_for(bad, data, FP32, float_model=str(good)))
    assert found.target_instrumented.failed is not None
    assert "NaN" in found.target_instrumented.failed
    assert (found.answers.agreement, found.trusted) == (None, None)
    root = next(layer for layer in found.layers if layer.node == "root")
    assert (root.snr_db, root.broken > 0) == (-math.inf, True)
    assert root.layer_db == math.inf  # the operator does the same with the same operands
    assert found.to_dict()["layers"][-1]["snr_db"] is None


def test_values_without_a_partner_are_listed(tmp_path, data):
    model = build("residual", tmp_path)
    other = onnx.ModelProto()
    other.CopyFrom(model.proto)
    for node in other.graph.node:
        node.output[:] = ["renamed" if name == "relu1_out" else name for name in node.output]
        node.input[:] = ["renamed" if name == "relu1_out" else name for name in node.input]
    path = tmp_path / "other.onnx"
    onnx.save(other, path)
    found = diff(spec_for(path, data, FP32, float_model=str(saved(tmp_path, model))))
    assert [(one.value, one.why) for one in found.unmatched] == [
        ("relu1_out", "is not in the file of onnxruntime/fp32@cpu")
    ]
    assert found.parts_at is None


def test_other_shapes_are_listed(tmp_path, data):
    def write(made, size):
        value = made.op("Relu", made.conv("input", 3, 8, stride=size, name="stem"))
        made.head(value, 8)

    first, second = (net(tmp_path, lambda made, n=n: write(made, n), name=f"{n}.onnx") for n in (1, 2))
    found = diff(spec_for(second, data, FP32, float_model=str(first)))
    assert "has two shapes, [1, 8, 16, 16] and [1, 8, 8, 8]" in {one.why for one in found.unmatched}


def test_an_engine_that_shows_nothing_is_refused(tmp_path, data):
    path = saved(tmp_path, build("residual", tmp_path))
    with pytest.raises(UnsupportedError, match="'null' does not show the values inside its graph"):
        diff(spec_for(path, data, TargetSpec("null", "fp32")))


@pytest.mark.parametrize(
    ("target", "more", "threshold"),
    [
        (FP32, {}, 60.0),
        (TargetSpec("openvino", "fp16"), {}, 50.0),
        (TargetSpec("openvino", "bf16"), {}, 30.0),
        (INT8, {}, 20.0),
        (FP32, {"against": INT8}, 20.0),
        (TargetSpec("onnxruntime", "sim-w4a4"), {}, 20.0),
        (INT8, {"threshold_db": 33.0}, 33.0),
    ],
)
def test_the_threshold_is_that_of_the_coarser_side(target, more, threshold):
    assert parted_db(DiffSpec(run=flat(RunSpec, targets=(target,)), **more)) == threshold


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"top": 0}, "--top"),
        ({"threshold_db": math.nan}, "--threshold-db"),
        ({"same_file": True, "float_model": "m.onnx"}, "--float-model"),
        ({"float_model": "m.onnx", "against": INT8}, "--float-model"),
        ({"values": "some"}, "--values"),
    ],
)
def test_contradictions_are_refused(more, says):
    run = flat(RunSpec, targets=(INT8,), float_model=more.get("float_model"))
    own = {name: value for name, value in more.items() if name != "float_model"}
    with pytest.raises(UsageError, match=says):
        DiffSpec(run=run, **own)
