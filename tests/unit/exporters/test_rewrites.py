"""Graph rewrites against PyTorch's operators and the contract's own arithmetic, on every runtime, float and int8."""

import dataclasses
import importlib.util

import numpy as np
import onnx
import pytest
from conftest import make_model
from onnx import TensorProto, helper
from small_graphs import SIZE, Images, Net
from tensorrt_plans import build

from seatrial import calib, engines, exporters
from seatrial.errors import UsageError
from seatrial.exporters.contract import CONTRACT_KEY, InputContract, embed, read_contract
from seatrial.exporters.graphs import attribute_of
from seatrial.exporters.presets import PRESETS
from seatrial.exporters.rewrites import REWRITES
from seatrial.exporters.shapes import shapes_of

RUNTIMES = ["onnxruntime", "openvino", "pytorch"]
MODULES = {"onnxruntime": "onnxruntime", "openvino": "openvino", "pytorch": "torch"}
STD = (0.229, 0.224, 0.225)
MEAN = (0.485, 0.456, 0.406)


def small(path, layers, *, opset=18, classes=4):
    """input -> `layers(net, "input")`, whose output has 3 channels -> a head of one Gemm behind a global average."""
    net = Net()
    value = layers(net, "input")
    net.head(value, 3, classes=classes)
    return net.save(path / "net.onnx", opset=opset)


def pooled(kernel, pad, ceil=0, **more):
    def layers(net, value):
        fields = {"kernel_shape": [kernel] * 2, "strides": [2, 2], "pads": [pad] * 4, "ceil_mode": ceil, **more}
        return net.op("MaxPool", value, name="max", **fields)

    return layers


def cut(extent, layers):
    """The same on the first `extent` rows and columns of the image."""

    def cutting(net, value):
        bounds = [net.constant(np.array(one, np.int64)) for one in ([0, 0], [extent, extent], [2, 3])]
        return layers(net, net.op("Slice", value, *bounds, name="cut"))

    return cutting


def resized(mode, **more):
    def layers(net, value):
        nowhere, scales = net.constant(np.zeros(0, np.float32)), net.constant(np.array([1, 1, 2, 2], np.float32))
        return net.op("Resize", value, nowhere, scales, name="up", mode=mode, **more)

    return layers


def batch_of(model, count=3, seed=0):
    images = np.random.default_rng(seed).integers(0, 256, (count, *model.contract.size, 3), dtype=np.uint8)
    return model.contract.normalise(images)


def value_of(model, name, batch, runtime):
    """What a runtime computes for a value inside the graph: flattened behind the graph's own output."""
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    _, shape = shapes_of(proto, {model.input_name: (1, *model.contract.tensor_shape)}, model.name)[name]
    proto.graph.node.append(helper.make_node("Flatten", [name], ["shown"], name="show", axis=1))
    width = int(np.prod(shape[1:]))
    del proto.graph.output[:]
    proto.graph.output.append(helper.make_tensor_value_info("shown", TensorProto.FLOAT, ["batch", width]))
    flat = scores(dataclasses.replace(model, proto=proto, output_name="shown", classes=width), batch, runtime)
    return flat.reshape(len(batch), *shape[1:])


def scores(model, batch, runtime="onnxruntime", precision="fp32"):
    if importlib.util.find_spec(MODULES[runtime]) is None:
        pytest.skip(f"{runtime} is not installed")
    with engine(model, runtime, precision) as built:
        return built.infer(batch)


def engine(model, runtime, precision):
    shape, dtype = model.contract.tensor_shape, model.contract.dtype
    names = (model.input_name, model.output_name)
    return engines.build(
        runtime, engines.BuildRequest(model.onnx_bytes, *names, shape, model.classes, precision, input_dtype=dtype)
    )


def torch_pool(values, kernel, pad, ceil):
    torch = pytest.importorskip("torch")
    return torch.nn.MaxPool2d(kernel, 2, pad, ceil_mode=ceil)(torch.from_numpy(values)).numpy()


def torch_upsample(values, **options):
    torch = pytest.importorskip("torch")
    return torch.nn.Upsample(scale_factor=2, **options)(torch.from_numpy(values)).numpy()


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(("kernel", "pad", "extent"), [(3, 1, 16), (3, 0, 16), (2, 0, 15), (5, 2, 14), (3, 1, 8)])
def test_ceil_mode_is_pytorchs(tmp_path, runtime, kernel, pad, extent):
    model = small(tmp_path, cut(extent, pooled(kernel, pad)))
    rewritten = REWRITES["ceil-mode"](model)
    batch = batch_of(model)
    expected = torch_pool(batch[:, :, :extent, :extent], kernel, pad, True)
    was = torch_pool(batch[:, :, :extent, :extent], kernel, pad, False)
    assert expected.shape > was.shape
    np.testing.assert_array_equal(value_of(rewritten, "max_out", batch, runtime), expected)
    np.testing.assert_array_equal(value_of(model, "max_out", batch, runtime), was)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(("kernel", "pad", "extent"), [(3, 1, 16), (3, 0, 16), (2, 0, 15)])
def test_floor_mode_is_pytorchs(tmp_path, runtime, kernel, pad, extent):
    model = small(tmp_path, cut(extent, pooled(kernel, pad, ceil=1)))
    rewritten = REWRITES["floor-mode"](model)
    batch = batch_of(model)
    expected = torch_pool(batch[:, :, :extent, :extent], kernel, pad, False)
    np.testing.assert_array_equal(value_of(rewritten, "max_out", batch, runtime), expected)
    assert value_of(model, "max_out", batch, runtime).shape > expected.shape


@pytest.mark.parametrize("opset", [7, 8, 9, 11, 22])
def test_ceil_mode_needs_no_attribute_that_old_opsets_lack(tmp_path, opset):
    model = small(tmp_path, lambda net, value: net.op(
        "MaxPool", value, name="max", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4
    ), opset=opset)  # fmt: skip
    batch = batch_of(model)
    found = value_of(REWRITES["ceil-mode"](model), "max_out", batch, "onnxruntime")
    np.testing.assert_array_equal(found, torch_pool(batch, 3, 1, True))


def test_automatic_padding_valid_is_none(tmp_path):
    def layers(net, value):
        return net.op("MaxPool", value, name="max", kernel_shape=[3, 3], strides=[2, 2], auto_pad="VALID")

    model = small(tmp_path, layers)
    batch = batch_of(model)
    found = value_of(REWRITES["ceil-mode"](model), "max_out", batch, "onnxruntime")
    np.testing.assert_array_equal(found, torch_pool(batch, 3, 0, True))


@pytest.mark.parametrize(
    "layers",
    [
        lambda net, value: net.conv(value, 3, 3),
        pooled(3, 1, strides=[1, 1]),
        pooled(3, 1, ceil=1),
        lambda net, value: net.op("MaxPool", value, kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"),
        lambda net, value: net.op("AveragePool", value, kernel_shape=[3, 3], strides=[2, 2]),
    ],
)
def test_what_is_no_max_pooling_of_stride_2_in_floor_mode_is_left_alone(tmp_path, layers):
    found = REWRITES["ceil-mode"](small(tmp_path, layers))
    assert found == "the graph has no max pooling of stride 2 in floor mode"


@pytest.mark.parametrize(("kernel", "extent"), [(2, 16), (3, 15), (1, 16)])
def test_sizes_that_rounding_does_not_change_are_a_reason(tmp_path, kernel, extent):
    model = small(tmp_path, cut(extent, pooled(kernel, 0)))
    assert "same sizes in ceil mode" in REWRITES["ceil-mode"](model)
    model = small(tmp_path, cut(extent, pooled(kernel, 0, ceil=1)))
    assert "same sizes in floor mode" in REWRITES["floor-mode"](model)


def test_an_unknown_size_is_a_reason(tmp_path):
    """Of operators outside the standard, shape inference knows nothing."""

    def layers(net, value):
        return pooled(3, 1)(net, net.op("Gelu", value, name="gelu", domain="com.microsoft"))

    net = Net()
    net.head(layers(net, "input"), 3)
    inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3, SIZE, SIZE])]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 4])]
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    proto = helper.make_model(
        helper.make_graph(net.nodes, "net", inputs, outputs, net.constants), opset_imports=opsets, ir_version=10
    )
    onnx.save(proto, tmp_path / "gelu.onnx")
    model = exporters.load(tmp_path / "gelu.onnx", contract=InputContract((SIZE, SIZE)))
    assert REWRITES["ceil-mode"](model) == "nothing says what size the input of MaxPool 'max' has"


def flattened(net, value, shape=None):
    value = net.op("MaxPool", value, name="max", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    if shape is None:
        return net.op("Flatten", value, name="flat")
    return net.op("Reshape", value, net.constant(np.array(shape, np.int64)), name="flat")


@pytest.mark.parametrize(
    ("shape", "culprit"), [(None, "Gemm 'fc'"), ((-1, 192), "Reshape 'flat'"), ((1, 192), "Reshape 'flat'")]
)
def test_a_layer_that_wants_one_size_is_a_reason(tmp_path, shape, culprit):
    net = Net()
    net.op("Gemm", flattened(net, "input", shape), net.weight(4, 192), name="fc", out="logits", transB=1)
    found = REWRITES["ceil-mode"](net.save(tmp_path / "flat.onnx"))
    assert isinstance(found, str)
    assert found.startswith(f"{culprit} cannot take the new sizes: ")
    assert "has become" in found


def test_a_batch_that_would_grow_is_a_reason(tmp_path):
    """1 x 1 becomes 2 x 2: 12 values, which a Reshape to [-1, 3] takes for four images."""
    net = Net()
    value = cut(3, pooled(2, 0))(net, "input")
    value = net.op("Reshape", value, net.constant(np.array([-1, 3], np.int64)), name="flat")
    net.op("Gemm", value, net.weight(4, 3), name="fc", out="logits", transB=1)
    found = REWRITES["ceil-mode"](net.save(tmp_path / "batch.onnx"))
    assert found == "the output would have the shape [4, 4], not [1, 4]"


def test_branches_that_no_longer_fit_are_a_reason(tmp_path):
    def layers(net, value):
        left = net.op("MaxPool", value, name="max", kernel_shape=[3, 3], strides=[2, 2])
        right = net.op("Conv", value, net.weight(3, 3, 3, 3), name="conv", strides=[2, 2])
        joined = net.op("Concat", left, right, name="join", axis=1)
        return net.conv(joined, 6, 3)

    assert REWRITES["ceil-mode"](small(tmp_path, layers)).startswith("Concat 'join' cannot take the new sizes")


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_bilinear_upsampling_is_pytorchs(tmp_path, runtime):
    nearest = resized("nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    model = small(tmp_path, nearest)
    batch = batch_of(model)
    found = value_of(REWRITES["upsample-bilinear"](model), "up_out", batch, runtime)
    np.testing.assert_allclose(found, torch_upsample(batch, mode="bilinear"), atol=2e-6)
    np.testing.assert_array_equal(value_of(model, "up_out", batch, runtime), torch_upsample(batch, mode="nearest"))


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("opset", [11, 13, 18])
@pytest.mark.parametrize("coordinates", ["half_pixel", "align_corners"])
def test_nearest_upsampling_is_pytorchs(tmp_path, runtime, opset, coordinates):
    model = small(tmp_path, resized("linear", coordinate_transformation_mode=coordinates), opset=opset)
    batch = batch_of(model)
    found = value_of(REWRITES["upsample-nearest"](model), "up_out", batch, runtime)
    np.testing.assert_array_equal(found, torch_upsample(batch, mode="nearest"))


@pytest.mark.parametrize(("kind", "opset"), [("Resize", 10), ("Upsample", 9)])
def test_upsampling_of_old_opsets(tmp_path, kind, opset):
    def layers(mode):
        def build(net, value):
            return net.op(kind, value, net.constant(np.array([1, 1, 2, 2], np.float32)), name="up", mode=mode)

        return build

    model = small(tmp_path, layers("linear"), opset=opset)
    batch = batch_of(model)
    found = value_of(REWRITES["upsample-nearest"](model), "up_out", batch, "onnxruntime")
    np.testing.assert_array_equal(found, torch_upsample(batch, mode="nearest"))
    refused = REWRITES["upsample-bilinear"](small(tmp_path, layers("nearest"), opset=opset))
    assert "export with opset 11" in refused


def test_attributes_of_the_old_filter_go(tmp_path):
    """ONNX Runtime refuses anti-aliasing of the nearest neighbour."""
    model = small(tmp_path, resized("linear", antialias=1, exclude_outside=1))
    batch = batch_of(model)
    found = value_of(REWRITES["upsample-nearest"](model), "up_out", batch, "onnxruntime")
    np.testing.assert_array_equal(found, torch_upsample(batch, mode="nearest"))


def test_a_resize_that_shrinks_is_left_alone(tmp_path):
    def layers(net, value):
        return net.op("Resize", value, "", net.constant(np.array([1, 1, 0.5, 0.5], np.float32)), mode="nearest")

    assert REWRITES["upsample-bilinear"](small(tmp_path, layers)) == "the graph has no nearest upsampling"
    assert REWRITES["upsample-nearest"](small(tmp_path, layers)) == "the graph has no bilinear upsampling"


def contracts():
    for layout in ("nchw", "nhwc"):
        for color in ("rgb", "bgr"):
            yield InputContract((SIZE, SIZE), mean=MEAN, std=STD, color=color, layout=layout)
    yield InputContract((SIZE, SIZE), mean=MEAN, std=STD, dtype="float16")
    yield InputContract((SIZE, SIZE), divisor=127.5, mean=(1, 1, 1))
    yield InputContract((SIZE, SIZE), divisor=1.0)


def fed_by(tmp_path, contract):
    """A small classifier that takes what `contract` says."""

    def change(model):
        source = model.graph.input[0]
        kind = TensorProto.FLOAT16 if contract.dtype == "float16" else TensorProto.FLOAT
        source.CopyFrom(helper.make_tensor_value_info("input", kind, ["batch", *contract.tensor_shape]))
        current = "input"
        if contract.dtype == "float16":
            model.graph.node.insert(0, helper.make_node("Cast", [current], ["cast"], to=TensorProto.FLOAT))
            current = "cast"
        if contract.layout == "nhwc":
            turn = helper.make_node("Transpose", [current], ["turned"], perm=[0, 3, 1, 2])
            model.graph.node.insert(int(current != "input"), turn)
            current = "turned"
        next(node for node in model.graph.node if node.op_type == "Conv").input[0] = current

    return exporters.load(make_model(tmp_path / "fed.onnx", change=change), contract=contract)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(
    "contract", list(contracts()), ids=lambda one: f"{one.layout} {one.color} {one.dtype} {one.divisor}"
)
def test_pixels_in_give_what_normalised_tensors_gave(tmp_path, contract, runtime):
    model = fed_by(tmp_path, contract)
    rewritten = REWRITES["uint8-input"](model)
    assert (rewritten.contract.dtype, rewritten.contract.takes_raw_pixels) == ("uint8", True)
    images = np.random.default_rng(1).integers(0, 256, (5, SIZE, SIZE, 3), dtype=np.uint8)
    images.reshape(-1)[:256] = np.arange(256)
    pixels = rewritten.contract.normalise(images)
    assert (pixels.dtype, rewritten.input_name) == (np.uint8, model.input_name)
    expected = scores(model, contract.normalise(images), runtime)
    np.testing.assert_allclose(scores(rewritten, pixels, runtime), expected, rtol=1e-4, atol=1e-4 * abs(expected).max())


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_the_graph_normalises_to_the_last_bit_as_the_contract_does(tmp_path, layout):
    contract = InputContract((SIZE, SIZE), mean=MEAN, std=STD, layout=layout)
    rewritten = REWRITES["uint8-input"](fed_by(tmp_path, contract))
    images = np.arange(SIZE * SIZE * 3, dtype=np.uint32).reshape(1, SIZE, SIZE, 3).astype(np.uint8)
    found = value_of(rewritten, "input_over_std", rewritten.contract.normalise(images), "onnxruntime")
    np.testing.assert_array_equal(found, contract.normalise(images))


def test_a_graph_that_takes_pixels_already_is_a_reason(tmp_path):
    rewritten = REWRITES["uint8-input"](fed_by(tmp_path, InputContract((SIZE, SIZE))))
    assert REWRITES["uint8-input"](rewritten) == "the graph takes uint8 pixels already"


def test_a_rewritten_file_loads_again_by_itself(tmp_path):
    model = fed_by(tmp_path, InputContract((SIZE, SIZE), mean=MEAN, std=STD))
    embed(model.proto, model.contract, ["a", "b", "c", "d"])
    model.proto.metadata_props.add(key="author", value="me")
    model = dataclasses.replace(model, class_names=("a", "b", "c", "d"))
    rewritten = REWRITES["uint8-input"](model)
    path = tmp_path / "rewritten.onnx"
    path.write_bytes(rewritten.onnx_bytes)
    again = exporters.load(path)
    assert (again.contract, again.class_names) == (rewritten.contract, model.class_names)
    assert {entry.key: entry.value for entry in again.proto.metadata_props}["author"] == "me"
    assert (read_contract(rewritten.proto), read_contract(model.proto)) == (rewritten.contract, model.contract)


def test_a_contract_from_flags_is_not_written_into_the_file(tmp_path):
    rewritten = REWRITES["uint8-input"](fed_by(tmp_path, InputContract((SIZE, SIZE))))
    assert CONTRACT_KEY not in {entry.key for entry in rewritten.proto.metadata_props}


def test_new_names_avoid_those_of_the_graph(tmp_path):
    model = fed_by(tmp_path, InputContract((SIZE, SIZE), mean=MEAN, std=STD))
    model.proto.graph.node[0].output[0] = "input_over_std"
    model.proto.graph.node[1].input[0] = "input_over_std"
    rewritten = REWRITES["uint8-input"](model)
    images = np.full((1, SIZE, SIZE, 3), 7, np.uint8)
    expected = scores(model, model.contract.normalise(images))
    np.testing.assert_allclose(scores(rewritten, rewritten.contract.normalise(images)), expected, rtol=1e-5)


def everything(net, value):
    value = net.conv(value, 3, 8, name="stem")
    value = net.op("MaxPool", net.op("Relu", value), name="max", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    value = net.op("Relu", net.conv(value, 8, 8, name="middle"))
    value = resized("nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")(net, value)
    return net.op("Relu", net.conv(value, 8, 3, name="last"))


@pytest.mark.parametrize("runtime", RUNTIMES[:2])
@pytest.mark.parametrize("name", ["ceil-mode", "upsample-bilinear", "uint8-input"])
def test_a_quantized_file_is_rewritten_as_the_float_one(tmp_path, name, runtime):
    model = small(tmp_path, everything)
    quantized = calib.quantize(model, "int8", engine=runtime, images=Images())
    rewritten, expected = REWRITES[name](quantized), REWRITES[name](model)
    assert not isinstance(rewritten, str)
    images = Images(count=20, seed=1).images
    exact = scores(expected, expected.contract.normalise(images))
    found = scores(rewritten, rewritten.contract.normalise(images), runtime, "int8")
    before = scores(model, model.contract.normalise(images))
    rounding = np.abs(scores(quantized, quantized.contract.normalise(images), runtime, "int8") - before).max()
    assert np.abs(found - exact).max() <= 2 * rounding
    if name != "uint8-input":
        assert np.abs(found - exact).max() < 0.5 * np.abs(found - before).max()
    with engine(rewritten, runtime, "int8") as built, engine(quantized, runtime, "int8") as plain:
        assert built.audit().share_as_requested() == plain.audit().share_as_requested() == 1.0


@pytest.mark.parametrize("name", ["ceil-mode", "upsample-bilinear"])
def test_tensorrt_builds_the_rewritten_file(tmp_path, name):
    trt = pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx")
    model = small(tmp_path, everything)
    for one in (model, calib.quantize(model, "int8", engine="tensorrt", images=Images())):
        assert isinstance(build(trt, REWRITES[name](one).onnx_bytes, "SM89"), int)


@pytest.mark.parametrize("name", ["ceil-mode", "upsample-bilinear", "uint8-input"])
def test_names_stay_and_stale_shapes_go(tmp_path, name):
    model = small(tmp_path, everything)
    model.proto.CopyFrom(onnx.shape_inference.infer_shapes(model.proto))
    before = model.proto.SerializeToString(deterministic=True)
    rewritten = REWRITES[name](model)
    assert model.proto.SerializeToString(deterministic=True) == before
    own = {node.name for node in model.proto.graph.node}
    assert own <= {node.name for node in rewritten.proto.graph.node}
    onnx.checker.check_model(rewritten.proto, full_check=True)
    described = {value.name for value in rewritten.proto.graph.value_info}
    assert "stem_out" in described
    assert ("last_out" in described) == (name == "uint8-input")


def test_several_rewrites_follow_each_other(tmp_path):
    model = small(tmp_path, everything)
    rewritten = model
    for name in ("ceil-mode", "upsample-bilinear", "uint8-input"):
        rewritten = REWRITES[name](rewritten)
    assert rewritten.contract.dtype == "uint8"
    assert attribute_of(next(n for n in rewritten.proto.graph.node if n.op_type == "Resize"), "mode").s == b"linear"
    assert scores(rewritten, batch_of(rewritten)).shape == (3, 4)


def test_an_unknown_rewrite_names_the_known_ones():
    with pytest.raises(UsageError, match=r"Unknown graph rewrite 'ceil'.*ceil-mode, floor-mode"):
        REWRITES["ceil"]


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(("size", "changes"), [(224, False), (230, True)])
def test_squeezenet_in_ceil_mode(shared, tmp_path, size, changes, runtime):
    """At 224 px all windows of its three max poolings fit, 111 -> 55 -> 27 -> 13; at 230 px they do not."""
    proto = onnx.load(shared / "models/imagenet_squeezenet1_1.onnx")
    del proto.graph.value_info[:]
    for extent in proto.graph.input[0].type.tensor_type.shape.dim[2:]:
        extent.dim_value = size
    path = tmp_path / "squeezenet.onnx"
    onnx.save(proto, path)
    contract = InputContract((size, size), "short-side", 256, mean=MEAN, std=STD)
    model = exporters.load(path, contract=contract)
    found = REWRITES["ceil-mode"](model)
    if not changes:
        assert "same sizes" in found
        return
    batch = batch_of(model, 2)
    was, becomes = scores(model, batch), scores(found, batch, runtime)
    assert 1e-3 < np.abs(was - becomes).max() < 0.5 * np.abs(was).max()
    np.testing.assert_allclose(becomes, scores(found, batch), atol=1e-3 * np.abs(was).max())


def test_real_models_answer_the_same_from_pixels(shared):
    model = exporters.load(shared / "models/cifar10_resnet20.onnx", contract=PRESETS["cifar10"])
    with np.load(shared / "data/cifar10/test.npz") as data:
        images = data["images"][:500]
    rewritten = REWRITES["uint8-input"](model)
    expected = scores(model, model.contract.normalise(images))
    found = scores(rewritten, rewritten.contract.normalise(images))
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
