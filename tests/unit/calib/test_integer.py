"""seatrial's quantizer from end to end on small networks: what the engine runs, options, warnings, refusals."""

import dataclasses

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import helper, numpy_helper
from onnx_files import set_batch
from small_graphs import ALL, CONTRACT, Images, Net, build
from test_points import BEFORE, CHAIN, FLOAT8, graph_of, quantize

from seatrial import engines, exporters
from seatrial.calib.equalize import equalize, find_pairs
from seatrial.calib.fold import prepare
from seatrial.calib.integer import sensitivity
from seatrial.calib.observe import histograms
from seatrial.calib.options import QuantizeOptions
from seatrial.calib.quantizers import Request
from seatrial.calib.sensitivity import signal_to_noise
from seatrial.calib.warn import calibration_of, kept_float_of, warnings_of
from seatrial.errors import BadInputError, BuildError, UsageError
from seatrial.exporters.quantized import Reader


def scores(model, images):
    """Computed as the file is written, without any fusing."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.onnx_bytes, options, providers=["CPUExecutionProvider"])
    return session.run([model.output_name], {model.input_name: model.contract.normalise(images)})[0]


def decibels(model, quantized, images=None):
    images = Images(seed=1).images if images is None else images
    return signal_to_noise(scores(model, images), scores(quantized, images))


def audit(model):
    request = engines.BuildRequest(
        model.onnx_bytes, model.input_name, model.output_name, model.contract.tensor_shape, model.classes, "int8"
    )
    with engines.build("onnxruntime", request) as engine:
        return engine.audit(), engine.infer(model.contract.normalise(Images(seed=1).images))


@pytest.mark.parametrize("ranges", ["minmax", "percentile", "entropy", "mse"])
@pytest.mark.parametrize("name", ALL)
def test_onnxruntime_runs_all_of_it_in_integers_and_answers_alike(tmp_path, name, ranges):
    model = build(name, tmp_path)
    # No product overflows, whatever processor this is.
    quantized = quantize(model, dataclasses.replace(CHAIN, narrow=True), ranges=ranges)
    assert quantized.precision == "int8"
    built, answers = audit(quantized)
    assert built.share_as_requested() == 1.0
    assert signal_to_noise(scores(model, Images(seed=1).images), answers) > 24


@pytest.mark.parametrize(("recipe", "least"), [(BEFORE, 30), (FLOAT8, 14)], ids=["int8", "fp8"])
@pytest.mark.parametrize("name", ALL)
def test_the_style_of_accelerators_answers_alike(tmp_path, name, recipe, least):
    model = build(name, tmp_path)
    quantized = quantize(model, recipe)
    assert quantized.precision == recipe.precision
    assert decibels(model, quantized) > least


def test_batch_normalization_is_folded_so_that_convolutions_fuse(tmp_path):
    model = build("normalised", tmp_path)
    graph = graph_of(quantize(model, CHAIN))
    assert graph.count("BatchNormalization") == 0
    assert audit(quantize(model, CHAIN))[0].share_as_requested() == 1.0


def test_a_convolution_whose_output_is_the_graphs_is_rounded_behind(tmp_path):
    net = Net()
    value = net.op("Relu", net.conv("input", 3, 8, stride=4, name="stem"))
    net.op("Conv", value, net.weight(4, 8, 4, 4), name="last", out="logits")
    graph = helper.make_graph(
        net.nodes,
        "net",
        [helper.make_tensor_value_info("input", 1, ["batch", 3, 16, 16])],
        [helper.make_tensor_value_info("logits", 1, ["batch", 4, 1, 1])],
        net.constants,
    )
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    model = exporters.load(path, contract=CONTRACT)
    for options in ({}, {"bias_correction": True}, {"keep_float_below_db": 1.0}):
        quantized = quantize(model, CHAIN, **options)
        assert graph_of(quantized).made_by["logits"].op_type == "DequantizeLinear"
        assert audit(quantized)[0].share_as_requested() == 1.0
        assert decibels(model, quantized) > 30


def test_ranges_are_those_of_the_real_values(tmp_path):
    model, images = build("residual", tmp_path), Images()
    found = histograms(model, model.proto, ["input", "stem_out", "add1_out"], images)
    with_all = onnx.ModelProto()
    with_all.CopyFrom(model.proto)
    with_all.graph.output.extend(onnx.ValueInfoProto(name=name) for name in ("stem_out", "add1_out"))
    session = ort.InferenceSession(with_all.SerializeToString(), providers=["CPUExecutionProvider"])
    tensor = model.contract.normalise(images.images)
    _, stem, added = session.run(None, {"input": tensor})
    for name, values in (("input", tensor), ("stem_out", stem), ("add1_out", added)):
        assert (found[name].low, found[name].high) == pytest.approx((values.min(), values.max()), rel=1e-5)
        assert found[name].total == values.size


@pytest.mark.parametrize("count", [9, 12])
def test_what_fills_up_a_frozen_batch_is_not_counted(tmp_path, count):
    free = build("branches", tmp_path)
    proto = onnx.load_model_from_string(free.onnx_bytes)
    set_batch(4)(proto)
    onnx.save(proto, tmp_path / "frozen.onnx")
    frozen = exporters.load(tmp_path / "frozen.onnx", contract=CONTRACT)
    images = Images(count)
    found, expected = (histograms(model, model.proto, ["input", "right_out"], images) for model in (frozen, free))
    for name, histogram in expected.items():
        assert found[name].total == histogram.total
        assert found[name].high == pytest.approx(histogram.high, rel=1e-5)
    np.testing.assert_array_equal(found["input"].counts, expected["input"].counts)


def test_quantizing_twice_gives_the_same_bytes(tmp_path):
    model = build("squeeze_excite", tmp_path)
    for options in ({"ranges": "entropy"}, {"ranges": "mse", "bias_correction": True, "equalize": True}):
        assert quantize(model, CHAIN, **options).onnx_bytes == quantize(model, CHAIN, **options).onnx_bytes


def test_an_unknown_name_to_keep_float_lists_the_close_ones(tmp_path):
    with pytest.raises(UsageError, match=r"--keep-float: there is no node 'shortcat'. Close to it: shortcut"):
        quantize(build("residual", tmp_path), CHAIN, keep_float=("shortcat",))


def test_keeping_everything_in_float_is_no_quantized_model(tmp_path):
    every = ("stem", "depthwise", "middle", "classifier")
    with pytest.raises(BuildError, match="no layer is left"):
        quantize(build("convolutional", tmp_path), CHAIN, keep_float=every)


@pytest.mark.parametrize(
    ("name", "keep"), [("residual", "a2"), ("residual", "b1"), ("residual", "fc"), ("convolutional", "depthwise")]
)
def test_a_layer_kept_in_float_is_not_rounded_by_onnxruntime_after_all(tmp_path, name, keep):
    model = build(name, tmp_path)
    quantized = quantize(model, CHAIN, keep_float=(keep,))
    built, answers = audit(quantized)
    realized = {layer.realized for layer in built.layers}
    assert realized == {"int8", "fp32"}
    assert sum(layer.realized == "fp32" for layer in built.layers) == 1
    written = scores(quantized, Images(seed=1).images)
    assert signal_to_noise(written, answers) > 25


def with_outlier(tmp_path):
    """A network of which a1 loses its weights to a huge one, with one scale for all; that one meets only zeros."""
    model = build("residual", tmp_path)
    proto = onnx.load_model_from_string(model.onnx_bytes)
    nodes = {node.name: node for node in proto.graph.node}
    changes = {nodes["stem"].input[2]: (0, -1000.0), nodes["a1"].input[1]: ((0, 0, 0, 0), 300.0)}
    for tensor in proto.graph.initializer:
        if tensor.name in changes:
            values = numpy_helper.to_array(tensor).copy()
            place, value = changes[tensor.name]
            values[place] = value
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    onnx.save(proto, tmp_path / "outlier.onnx")
    return exporters.load(tmp_path / "outlier.onnx", contract=CONTRACT)


PER_TENSOR = dataclasses.replace(CHAIN, per_channel=False)


@pytest.mark.parametrize("recipe", [PER_TENSOR, dataclasses.replace(BEFORE, per_channel=False)])
def test_sensitivity_finds_the_layer_that_loses_its_weights(tmp_path, recipe):
    found = sensitivity(Request(with_outlier(tmp_path), recipe, Images(), QuantizeOptions()))
    assert found[0][0] == "a1"
    assert found[0][1] < found[1][1] - 6
    assert [one[1] for one in found] == sorted(one[1] for one in found)
    assert {"stem", "a1", "a2", "b1", "b2", "shortcut", "fc"} <= {name for name, _ in found}


def test_the_sensitivity_of_a_layer_is_that_of_a_file_in_which_only_it_is_quantized(tmp_path):
    model, images = build("residual", tmp_path), Images(32)
    found = dict(sensitivity(Request(model, CHAIN, images, QuantizeOptions())))
    alone = quantize(model, CHAIN, images, keep_float=tuple(found.keys() - {"a2"}))
    assert decibels(model, alone, images.images) == pytest.approx(found["a2"], abs=0.01)


def test_layers_below_the_limit_stay_float_and_the_scores_gain(tmp_path):
    model = with_outlier(tmp_path)
    plain = quantize(model, PER_TENSOR)
    found = sensitivity(Request(model, PER_TENSOR, Images(), QuantizeOptions()))
    limit = (found[0][1] + found[1][1]) / 2
    kept = quantize(model, PER_TENSOR, keep_float_below_db=limit)
    assert list(kept_float_of(kept)) == ["a1"]
    assert "dB at the scores" in kept_float_of(kept)["a1"]
    assert decibels(model, kept) > decibels(model, plain) + 6
    assert graph_of(kept).constants[graph_of(kept).nodes["a1"].input[1]].dtype == np.float32


def uneven(tmp_path, clip=None):
    """Channels whose weights differ by up to a thousand times, undone by the next layer."""
    net = Net()
    first = net.conv("input", 3, 8, name="first")
    between = (
        net.op("Relu", first)
        if clip is None
        else net.op("Clip", first, *[net.constant(np.float32(v)) for v in (0, clip)])
    )
    between = net.conv(between, 8, 8, group=8, name="depthwise")
    between = net.op("Relu", between) if clip is None else net.op("Clip", between, *net.nodes[1].input[1:])
    net.head(net.op("Relu", net.conv(between, 8, 16, size=1, name="last")), 16)
    factors = 10 ** np.linspace(-1.5, 1.5, 8).astype(np.float32)
    for tensor in net.constants:
        value = numpy_helper.to_array(tensor)
        for node, axis, factor in (("first", 0, factors), ("depthwise", 0, 1 / factors)):
            (conv,) = (one for one in net.nodes if one.name == node)
            if tensor.name in conv.input[1:2] or (node == "first" and tensor.name == conv.input[2]):
                shaped = factor.reshape([-1 if i == axis else 1 for i in range(value.ndim)])
                tensor.CopyFrom(numpy_helper.from_array((value * shaped).astype(np.float32), tensor.name))
    return net.save(tmp_path / "uneven.onnx")


@pytest.mark.parametrize("clip", [None, 1000.0])
def test_equalizing_computes_the_same_and_helps_one_scale_for_all(tmp_path, clip):
    model, images = uneven(tmp_path, clip), Images()
    proto = onnx.load_model_from_string(model.onnx_bytes)
    prepare(proto.graph)
    assert [(pair.first, pair.second) for pair in find_pairs(proto.graph)] == [
        ("first", "depthwise"),
        ("depthwise", "last"),
    ]
    equal = dataclasses.replace(model, proto=equalize(model, proto, images)[0])
    np.testing.assert_allclose(scores(equal, images.images), scores(model, images.images), rtol=1e-3, atol=1e-4)
    assert scores(equal, images.images).std() > 0.01
    before, after = (decibels(model, quantize(model, PER_TENSOR, equalize=on)) for on in (False, True))
    assert after > before + 3


def test_equalizing_pushes_no_channel_over_the_bound_of_a_clip(tmp_path):
    model, images = uneven(tmp_path, 1000.0), Images()
    proto = onnx.load_model_from_string(model.onnx_bytes)
    (weight,) = (node.input[1] for node in proto.graph.node if node.name == "last")
    (tensor,) = (one for one in proto.graph.initializer if one.name == weight)
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(1e8), weight))
    loud = dataclasses.replace(model, proto=proto)
    prepare(proto.graph)
    equal, left = equalize(loud, proto, images)
    assert left == []
    expected = scores(loud, images.images)
    found = scores(dataclasses.replace(loud, proto=equal), images.images)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_equalizing_leaves_what_a_clip_cuts_and_says_so(tmp_path):
    model = uneven(tmp_path, 0.5)
    plain, asked = (quantize(model, PER_TENSOR, equalize=on) for on in (False, True))
    assert "Not equalized, as the images reach the bound of the Clip between: first" in warnings_of(asked)[-1]
    for name in ("first", "depthwise"):
        weights = [Reader(one.proto.graph).value(graph_of(one).nodes[name].input[1]) for one in (plain, asked)]
        np.testing.assert_array_equal(*weights)


def test_bias_correction_takes_the_shift_off_the_mean_of_every_layer(tmp_path):
    model, images = build("residual", tmp_path), Images()
    recipe = dataclasses.replace(BEFORE, per_channel=False)
    plain, corrected = (quantize(model, recipe, images, bias_correction=on) for on in (False, True))

    def shift(quantized):
        return np.abs((scores(quantized, images.images) - scores(model, images.images)).mean(axis=0)).max()

    assert shift(corrected) < shift(plain)
    readers = [Reader(one.proto.graph) for one in (plain, corrected)]
    nodes = [graph_of(one).nodes["a1"] for one in (plain, corrected)]
    biases = [reader.value(node.input[2]) for reader, node in zip(readers, nodes, strict=True)]
    assert np.abs(biases[0] - biases[1]).max() > 0
    weights = [reader.value(node.input[1]) for reader, node in zip(readers, nodes, strict=True)]
    np.testing.assert_array_equal(*weights)


def test_a_nan_inside_names_the_value(tmp_path):
    net = Net()
    value = net.conv("input", 3, 8, name="stem")
    wrong = net.op("Sqrt", value, name="root")
    net.head(net.op("Relu", net.conv(wrong, 8, 8, name="last")), 8)
    model = net.save(tmp_path / "m.onnx")
    with pytest.raises(BadInputError, match="'root_out' is NaN or infinite on the calibration images"):
        quantize(model, CHAIN)


def test_an_unknown_operator_stays_float_and_is_listed(tmp_path):
    model = build("squeeze_excite", tmp_path)
    quantized = quantize(model, CHAIN)
    assert kept_float_of(quantized) == {"swish": "no recipe knows HardSwish in integers"}
    assert graph_of(quantized).kind_before("swish") == "DequantizeLinear"


def test_a_sound_calibration_warns_of_nothing_and_says_what_it_was(tmp_path):
    quantized = quantize(build("residual", tmp_path), CHAIN, ranges="mse")
    assert warnings_of(quantized) == ()
    assert calibration_of(quantized)["images"] == 40
    assert calibration_of(quantized)["ranges"] == "mse"


def test_few_images_and_a_value_that_is_always_zero_are_warned_of(tmp_path):
    net = Net()
    dead = net.op("Relu", net.op("Conv", "input", net.constant(np.zeros((4, 3, 1, 1), np.float32)), name="dead"))
    net.head(net.op("Relu", net.conv(dead, 4, 8, name="last")), 8)
    few, zero = warnings_of(quantize(net.save(tmp_path / "m.onnx"), CHAIN, Images(5)))
    assert few.startswith("5 calibration images are few")
    assert "Always zero on the calibration images: relu1_out" in zero


def test_a_value_that_never_changes_is_warned_of(tmp_path):
    same = np.full((40, 16, 16, 3), 200, np.uint8)
    (constant,) = warnings_of(quantize(build("convolutional", tmp_path), CHAIN, Images(images=same)))[:1]
    assert "The same on all calibration images" in constant
    assert "input" in constant


def test_values_at_the_bound_of_their_clip_are_warned_of(tmp_path):
    model = build("convolutional", tmp_path)
    assert warnings_of(quantize(model, CHAIN)) == ()
    loud = dataclasses.replace(model, contract=dataclasses.replace(model.contract, divisor=1.0))
    (clipped,) = warnings_of(quantize(loud, CHAIN))
    assert "upper bound of their Clip" in clipped


def test_the_file_keeps_its_warnings_through_saving(tmp_path):
    quantized = quantize(build("residual", tmp_path), CHAIN, Images(5))
    (tmp_path / "q.onnx").write_bytes(quantized.onnx_bytes)
    assert warnings_of(exporters.load(tmp_path / "q.onnx")) == warnings_of(quantized) != ()
