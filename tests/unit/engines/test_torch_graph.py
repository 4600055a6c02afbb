"""Every operator of TorchGraph against the specification's own cases and ONNX Runtime; gradients; refusals."""

import re
import warnings

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from seatrial.errors import BadInputError, UnsupportedError

torch = pytest.importorskip("torch")

from seatrial.engines.torch_graph import TorchGraph  # noqa: E402  (needs PyTorch)
from seatrial.engines.torch_graph.node import OPERATORS  # noqa: E402

RNG = np.random.default_rng(0)

# Cases of the specification that raise UnsupportedError although the operator is known, by what the message says.
REFUSED = {
    "cannot hold (STRING|U?INT2|UINT32|UINT64|FLOAT4|FLOAT8E)": "types that image classifiers do not use",
    "cannot read an initializer|has the element type": "constants of such types",
    "operator sets 7 to": "cases of other domains and older opsets",
    "is not known": "sequences and optionals are no tensors",
    "arithmetic in integers of at most 16 bits": "held as floats, which do not wrap",
    "rounding to 8-bit floats is QuantizeLinear's": "so that there is one rounding",
    "optional output .* is not supported": "indices, masks and statistics of training",
    "training_mode": "inference only",
    "mode='cubic'|antialias|tf_crop_and_resize|keep_aspect_ratio_policy": "no image classifier was found that has them",
    "scales below 1, or such as are not constant": "Upsample's scales are an input there",
    "saturate=0": "ONNX Runtime's quantizer saturates",
}
# Cases that are computed, otherwise than the specification expects.
EXCLUDED = {
    "test_reduce_max_empty_set": "PyTorch has no maximum of nothing and raises",
    "test_reduce_max_empty_set_bool": "likewise",
    "test_reduce_min_empty_set": "likewise",
    "test_resize_downsample_scales_linear_align_corners": "aligns the corners of 2.4 pixels; ONNX Runtime has 2, as we",
}
HALVES = ("float16", "bfloat16")


@pytest.fixture(scope="module")
def specification():
    """The node cases that come with onnx: models, inputs and outputs that its own NumPy code computed."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it divides by zero on purpose
        return collect_testcases(None)


def array_of(value):
    return numpy_helper.to_array(value) if isinstance(value, TensorProto) else np.asarray(value)


def tensor_of(value):
    array = array_of(value)
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.astype(np.float32)).bfloat16()
    native = array.dtype.name in ("float16", "float32", "float64", "int32", "int64", "bool")
    return torch.from_numpy(np.array(array if native else array.astype(np.float32)))


def check_output(case, place):
    graph = TorchGraph(case.model, case.model.graph.output[place].name)
    for inputs, outputs in case.data_sets:
        found, expected = graph(*map(tensor_of, inputs)), array_of(outputs[place])
        assert tuple(found.shape) == expected.shape
        # A half rounds after every operator; the expected values were computed in one go.
        half = expected.dtype.name in HALVES
        rtol, atol = (2e-2, 5e-3) if half else (case.rtol, max(case.atol, 1e-6))
        np.testing.assert_allclose(found.double().numpy(), expected.astype(np.float64), rtol=rtol, atol=atol)


def test_every_case_of_the_specification_is_right_or_refused(specification):
    right, wrong, refused, ops = 0, {}, {}, set()
    for case in specification:
        for place in range(len(case.model.graph.output)):
            try:
                check_output(case, place)
            except (UnsupportedError, BadInputError) as error:
                refused[case.name, place] = str(error)
            except Exception as error:  # all of them are told together
                wrong[case.name] = repr(error)
            else:
                right += 1
                ops.update(node.op_type for node in case.model.graph.node)
    assert set(wrong) == set(EXCLUDED), {name: text for name, text in wrong.items() if name not in EXCLUDED}
    assert right > 1000
    assert set(OPERATORS) - ops == {"Upsample"}  # its cases have no constant scales; compared with ONNX Runtime below
    reasons = re.compile("|".join([*REFUSED, r"operator \S+ is not supported"]))
    assert [f"{name}: {text}" for name, text in refused.items() if not reasons.search(text)] == []


def one_node(op, opset, arrays, constants=(), domain="", outputs=1, **attributes):
    """A model of one node; inputs whose position is in `constants` are initializers, None is left out."""
    names = [f"x{place}" if array is not None else "" for place, array in enumerate(arrays)]
    node = helper.make_node(op, names, [f"y{n}" for n in range(outputs)], domain=domain, **attributes)
    given = [(name, array, place) for place, (name, array) in enumerate(zip(names, arrays, strict=True)) if name]
    graph = helper.make_graph(
        [node],
        "one",
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
            for name, array, place in given
            if place not in constants
        ],
        [onnx.ValueInfoProto(name=f"y{n}") for n in range(outputs)],
        [numpy_helper.from_array(array, name) for name, array, place in given if place in constants],
    )
    opsets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    return helper.make_model(graph, opset_imports=opsets, ir_version=8 if opset < 19 else 10)


def against_onnxruntime(model, arrays, atol=1e-5):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feed = {value.name: arrays[int(value.name[1:])] for value in session.get_inputs()}
    for output, expected in zip(session.get_outputs(), session.run(None, feed), strict=True):
        graph = TorchGraph(model, output.name)
        found = graph(*(torch.from_numpy(feed[name]) for name in graph.input_names)).numpy()
        assert found.shape == expected.shape
        np.testing.assert_allclose(found.astype(np.float64), expected.astype(np.float64), rtol=1e-4, atol=atol)


def x(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def ints(*values):
    return np.array(values, np.int64)


# op, opset, inputs, positions that are constants, attributes: what the cases of the newest opset do not show.
IMAGE = x(2, 4, 9, 7)
CASES = {
    "softmax of old flattens": ("Softmax", 11, [x(2, 3, 4)], (), {}),
    "softmax of old, axis 2": ("Softmax", 9, [x(2, 3, 4)], (), {"axis": 2}),
    "softmax of old, axis 0": ("LogSoftmax", 11, [x(2, 3, 4)], (), {"axis": 0}),
    "softmax of old, axis -1": ("Softmax", 12, [x(2, 3, 4)], (), {"axis": -1}),
    "softmax of today": ("Softmax", 13, [x(2, 3, 4)], (), {}),
    "clip by attributes": ("Clip", 7, [x(3, 4)], (), {"min": -0.5, "max": 0.25}),
    "clip by one attribute": ("Clip", 10, [x(3, 4)], (), {"max": 0.25}),
    "clip by constants": ("Clip", 12, [x(3, 4), np.float32(-0.5), np.float32(0.5)], (1, 2), {}),
    "clip above only": ("Clip", 13, [x(3, 4), None, np.float32(0.5)], (2,), {}),
    "pad by attributes": ("Pad", 10, [x(2, 3, 4)], (), {"pads": [0, 1, -1, 0, 2, 3], "value": 0.5}),
    "pad reflect by attributes": ("Pad", 7, [x(2, 3, 4)], (), {"pads": [0, 1, 2, 0, 2, 3], "mode": "reflect"}),
    "pad constant": ("Pad", 13, [x(2, 3, 4), ints(0, 1, -1, 0, 2, 3), np.float32(2)], (1, 2), {}),
    "pad edge": ("Pad", 18, [x(2, 3, 4), ints(1, 2, 2, 3), None, ints(-1, 1)], (1, 3), {"mode": "edge"}),
    "slice by attributes": ("Slice", 9, [x(5, 6)], (), {"starts": [1, -4], "ends": [1000, -1], "axes": [0, 1]}),
    "slice backwards": (
        *("Slice", 13, [x(5, 6), ints(-1, 4), ints(-1000, 0), ints(0, 1), ints(-2, -1)], (1, 2, 3, 4), {}),
    ),
    "slice of nothing": ("Slice", 13, [x(5, 6), ints(3), ints(1), ints(0)], (1, 2, 3), {}),
    "squeeze by attributes": ("Squeeze", 11, [x(1, 3, 1)], (), {"axes": [0, -1]}),
    "unsqueeze by attributes": ("Unsqueeze", 11, [x(3, 4)], (), {"axes": [0, 3]}),
    "split by attribute": ("Split", 11, [x(6, 2)], (), {"split": [1, 2, 3], "outputs": 3}),
    "split alike": ("Split", 13, [x(6, 2)], (), {"outputs": 3}),
    "split with a smaller last": ("Split", 18, [x(7, 2)], (), {"num_outputs": 3, "outputs": 3}),
    "mean over attributes": ("ReduceMean", 13, [IMAGE], (), {"axes": [2, 3], "keepdims": 0}),
    "mean over all": ("ReduceMean", 11, [IMAGE], (), {}),
    "sum over attributes": ("ReduceSum", 11, [IMAGE], (), {"axes": [-1]}),
    "sum over an input": ("ReduceSum", 13, [IMAGE, ints(1, 2)], (1,), {"keepdims": 0}),
    "l2 over an input": ("ReduceL2", 18, [IMAGE, ints(1)], (1,), {}),
    "max over nothing": ("ReduceMax", 18, [IMAGE, ints()], (1,), {"noop_with_empty_axes": 1}),
    "batch norm 7": ("BatchNormalization", 7, [IMAGE, x(4), x(4), x(4), x(4) ** 2], (1, 2, 3, 4), {"epsilon": 1e-3}),
    "batch norm 9": ("BatchNormalization", 9, [IMAGE, x(4), x(4), x(4), x(4) ** 2], (1, 2, 3, 4), {}),
    "batch norm 15": ("BatchNormalization", 15, [IMAGE, x(4), x(4), x(4), x(4) ** 2], (1, 2, 3, 4), {}),
    "group norm per channel": ("GroupNormalization", 21, [IMAGE, x(4), x(4)], (1, 2), {"num_groups": 2}),
    "lrn": ("LRN", 13, [x(2, 9, 3, 3)], (), {"size": 3, "alpha": 0.5, "beta": 0.7, "bias": 2.0}),
    "layer norm with odd scale": ("LayerNormalization", 17, [x(2, 3, 4), x(4)], (1,), {"axis": 1}),
    "upsample by attribute": ("Upsample", 7, [IMAGE], (), {"mode": "nearest", "scales": [1.0, 1.0, 2.0, 3.0]}),
    "upsample linear": (*("Upsample", 9, [IMAGE, np.array([1, 1, 2, 2.5], np.float32)], (1,), {"mode": "linear"}),),
    "resize of old": ("Resize", 10, [IMAGE, np.array([1, 1, 1.5, 2], np.float32)], (1,), {"mode": "nearest"}),
    "dropout of old": ("Dropout", 10, [x(3, 4)], (), {"ratio": 0.9}),
    "dropout of today": ("Dropout", 13, [x(3, 4), np.float32(0.9), np.array(False)], (1, 2), {}),
    "gemm transposed": ("Gemm", 9, [x(5, 3), x(4, 5), x(4)], (1, 2), {"transA": 1, "transB": 1, "alpha": 0.5}),
    "gemm with a matrix C": ("Gemm", 11, [x(3, 5), x(5, 4), x(3, 1)], (1, 2), {"beta": 2.0}),
    "gemm without C": ("Gemm", 11, [x(3, 5), x(5, 4)], (1,), {"alpha": 2.0}),
    "division of integers": ("Div", 14, [ints(7, -7, 7, -7), ints(2, 2, -2, -2)], (), {}),
    "remainder of integers": ("Mod", 13, [ints(7, -7, 7, -7), ints(3, 3, -3, -3)], (), {}),
    "power by a constant": ("Pow", 13, [x(3, 4), np.float32(2)], (1,), {}),
    "cast toward zero": ("Cast", 13, [np.array([-1.7, 1.7, 2.5], np.float32)], (), {"to": TensorProto.INT64}),
    "cast around uint8": ("Cast", 13, [ints(-1, 256, 300)], (), {"to": TensorProto.UINT8}),
    "gather by a number": ("Gather", 11, [x(3, 4), np.array(-1, np.int64)], (1,), {"axis": 1}),
    "argmax of equals": ("ArgMax", 13, [np.array([[1, 3, 3], [2, 2, 0]], np.float32)], (), {"axis": 1}),
    "argmax, the last of equals": (
        *("ArgMax", 13, [np.array([[1, 3, 3], [2, 2, 0]], np.float32)], (), {"axis": 1, "select_last_index": 1}),
    ),
    "transposed convolution, asymmetric": (
        *("ConvTranspose", 11, [x(2, 4, 5, 6), x(4, 3, 3, 3), x(3)], (1, 2)),
        {"strides": [2, 3], "pads": [1, 0, 0, 2], "output_padding": [1, 1]},
    ),
    "transposed convolution in groups": (
        *("ConvTranspose", 11, [x(2, 4, 5, 6), x(4, 2, 3, 2)], (1,)),
        {"group": 2, "strides": [2, 1], "dilations": [2, 1], "pads": [1, 1, 1, 1]},
    ),
    "transposed convolution, same": (
        *("ConvTranspose", 11, [x(2, 4, 5, 6), x(4, 2, 3, 3)], (1,)),
        {"strides": [2, 2], "auto_pad": "SAME_UPPER"},
    ),
    "transposed convolution to a shape": (
        *("ConvTranspose", 11, [x(1, 2, 5, 6), x(2, 2, 3, 3)], (1,)),
        {"strides": [2, 2], "output_shape": [10, 12], "auto_pad": "SAME_UPPER"},
    ),
}
for _pads in ([1, 1, 1, 1], [0, 1, 2, 3], [2, 2, 2, 2]):
    for _ceil in (0, 1):
        _window = {"kernel_shape": [3, 4], "strides": [2, 3], "pads": _pads, "ceil_mode": _ceil}
        CASES[f"max pool {_pads} {_ceil}"] = ("MaxPool", 12, [IMAGE], (), {**_window, "dilations": [2, 1]})
        for _include in (0, 1):
            CASES[f"average pool {_pads} {_ceil} {_include}"] = (
                *("AveragePool", 19, [IMAGE], (), {**_window, "count_include_pad": _include}),
            )
for _auto in ("SAME_UPPER", "SAME_LOWER", "VALID"):
    CASES[f"conv {_auto}"] = (
        *("Conv", 11, [IMAGE, x(6, 2, 3, 2), x(6)], (1, 2)),
        {"auto_pad": _auto, "group": 2, "strides": [2, 3]},
    )
    CASES[f"max pool {_auto}"] = (
        "MaxPool",
        8,
        [IMAGE],
        (),
        {"kernel_shape": [2, 3], "strides": [2, 2], "auto_pad": _auto},
    )
    CASES[f"average pool {_auto}"] = (
        *("AveragePool", 7, [IMAGE], (), {"kernel_shape": [2, 3], "strides": [2, 2], "auto_pad": _auto}),
    )
for _rank in (1, 2, 3):
    CASES[f"conv in {_rank}d"] = (
        *("Conv", 7, [x(2, 3, *[8] * _rank), x(4, 3, *[3] * _rank)], (1,)),
        {"pads": [0, 1, 2][:_rank] + [2, 0, 1][:_rank], "dilations": [2, 1, 1][:_rank]},
    )
for _name in ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"):
    for _mode in ("nearest", "linear"):
        CASES[f"resize to sizes {_name} {_mode}"] = (
            *("Resize", 13, [IMAGE, None, None, ints(2, 4, 13, 5)], (3,)),
            {"mode": _mode, "coordinate_transformation_mode": _name},
        )
        CASES[f"resize by scales {_name} {_mode}"] = (
            *("Resize", 11, [IMAGE, x(0), np.array([1, 1, 2.3, 0.6], np.float32)], (1, 2)),
            {"mode": _mode, "coordinate_transformation_mode": _name, "nearest_mode": "floor"},
        )


# What 1.23, the last for Python 3.10, gets wrong or refuses, and later versions do not.
OLD_RUNTIME = tuple(map(int, ort.__version__.split(".")[:2])) < (1, 25)
WRONG_IN_OLD_RUNTIME = ("layer norm with odd scale", "average pool [0, 1, 2, 3] 0 1", "average pool [0, 1, 2, 3] 1 1")


@pytest.mark.parametrize("name", CASES)
def test_operators_of_every_opset_are_those_of_onnxruntime(name):
    if OLD_RUNTIME and name in WRONG_IN_OLD_RUNTIME:
        pytest.skip(f"ONNX Runtime {ort.__version__} computes this otherwise than the specification")
    op, opset, arrays, constants, attributes = CASES[name]
    against_onnxruntime(one_node(op, opset, arrays, constants, **attributes), arrays)


@pytest.mark.parametrize("opset", [21, 1])
@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint16, np.int16])
def test_quantizing_rounds_and_saturates_as_onnxruntime(opset, kind):
    # Half steps, both ends and beyond; per axis with zero points.
    info = np.iinfo(kind)
    values = np.array([-1e6, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 1e6, info.max / 2, info.min / 2], np.float32)
    arrays = [np.stack([values, values * np.float32(0.37)]), np.array([1, 0.37], np.float32), np.array([3, 0], kind)]
    domain, version = ("com.microsoft", 13) if opset == 1 else ("", opset)
    model = one_node("QuantizeLinear", version, arrays, (1, 2), domain=domain, axis=0)
    model.graph.output[0].type.tensor_type.elem_type = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    against_onnxruntime(model, arrays, atol=0)


def test_blocks_of_int4_are_dequantized_as_onnxruntime():
    codes = numpy_helper.to_array(
        helper.make_tensor("codes", TensorProto.INT4, [4, 6], np.arange(24).astype(np.int64) % 16 - 8)
    )
    arrays = [x(3, 4), codes, np.abs(x(2, 6))]
    nodes = [
        helper.make_node("DequantizeLinear", ["x1", "x2"], ["w"], axis=0, block_size=2),
        helper.make_node("MatMul", ["x0", "w"], ["y"]),
    ]
    model = model_of(nodes, {"x0": (3, 4)}, {"x1": arrays[1], "x2": arrays[2]}, opset=21)
    against_onnxruntime(model, arrays)


def test_32_bit_biases_are_dequantized_exactly():
    codes, scale = np.array([2**31 - 1, -(2**31), 2**24 + 1], np.int32), np.float32(1e-4)
    graph = TorchGraph(one_node("DequantizeLinear", 13, [codes, scale], (1,)))
    expected = (codes.astype(np.float64) * np.float64(scale)).astype(np.float32)
    np.testing.assert_array_equal(graph(torch.from_numpy(codes)).numpy(), expected)


def test_lrn_of_even_size_is_centred_as_the_specification_says():
    values = x(1, 6, 2, 2).astype(np.float64)
    expected = np.empty_like(values)
    for channel in range(6):
        near = values[:, max(0, channel - 1) : min(5, channel + 2) + 1]  # floor(3 / 2) before, ceil(3 / 2) after
        expected[:, channel] = values[:, channel] / (2 + 0.5 / 4 * (near**2).sum(1)) ** 0.75
    model = one_node("LRN", 13, [values.astype(np.float32)], size=4, alpha=0.5, bias=2.0)
    np.testing.assert_allclose(TorchGraph(model).double()(torch.from_numpy(values)).numpy(), expected, rtol=1e-6)


def model_of(nodes, inputs, constants=(), opset=18, output="y", kind=TensorProto.FLOAT, functions=(), domains=()):
    """A model with inputs name -> shape and initializers name -> array."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [onnx.ValueInfoProto(name=output)],
        [numpy_helper.from_array(array, name) for name, array in dict(constants).items()],
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=opsets, functions=list(functions), ir_version=10)


def attention_model(embed=6, heads=2):
    """Patches, layer norm, one head-split attention whose shapes are computed from the input, and a Gemm."""
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "patch"], ["p"], strides=[4, 4]),
        node("Shape", ["p"], ["shape"]),
        node("Gather", ["shape", "zero"], ["n"]),
        node("Unsqueeze", ["n", "axis0"], ["n1"]),
        node("Concat", ["n1", "embed", "minus1"], ["flat"], axis=0),
        node("Reshape", ["p", "flat"], ["tokens_last"]),
        node("Transpose", ["tokens_last"], ["tokens"], perm=[0, 2, 1]),
        node("LayerNormalization", ["tokens", "scale", "bias"], ["normed"]),
        node("Concat", ["n1", "minus1", "heads", "width"], ["split"], axis=0),
        node("Reshape", ["normed", "split"], ["s"]),
        node("Transpose", ["s"], ["q"], perm=[0, 2, 1, 3]),
        node("Transpose", ["s"], ["k"], perm=[0, 2, 3, 1]),
        node("MatMul", ["q", "k"], ["qk"]),
        node("Softmax", ["qk"], ["a"]),
        node("MatMul", ["a", "q"], ["av"]),
        node("Einsum", ["av", "mix"], ["e"], equation="nhtw,hwo->no"),
        node("Gelu", ["e"], ["g"]),
        node("Gemm", ["g", "fc"], ["y"], transB=1),
    ]
    constants = {
        "patch": x(embed, 3, 4, 4),
        "zero": np.array(0, np.int64),
        "axis0": ints(0),
        "embed": ints(embed),
        "minus1": ints(-1),
        "scale": x(embed),
        "bias": x(embed),
        "heads": ints(heads),
        "width": ints(embed // heads),
        "mix": x(heads, embed // heads, 5),
        "fc": x(4, 5),
    }
    return model_of(nodes, {"x": ["batch", 3, 8, 8]}, constants, opset=20)


@settings(max_examples=20, deadline=None)
@given(batch=st.integers(1, 9), place=st.integers(0, 8))
def test_an_answer_does_not_depend_on_the_batch(batch, place):
    images = torch.from_numpy(np.random.default_rng(batch).standard_normal((batch, 3, 8, 8)).astype(np.float32))
    graph = TorchGraph(ATTENTION)
    place %= batch
    torch.testing.assert_close(graph(images)[place], graph(images[place : place + 1])[0], rtol=0, atol=1e-5)


ATTENTION = attention_model()


def test_attention_with_computed_shapes_is_that_of_onnxruntime():
    session = ort.InferenceSession(ATTENTION.SerializeToString(), providers=["CPUExecutionProvider"])
    images = x(5, 3, 8, 8)
    found = TorchGraph(ATTENTION)(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(found, session.run(None, {"x": images})[0], atol=1e-5)


def test_shape_arithmetic_stays_on_the_cpu_wherever_the_graph_runs():
    # The meta device computes shapes only: reading a number from it raises, and so does mixing it with the CPU.
    graph = TorchGraph(ATTENTION).to("meta")
    assert graph(torch.empty(7, 3, 8, 8, device="meta")).shape == (7, 4)
    assert all(value.device.type == "meta" for value in graph.values(torch.empty(7, 3, 8, 8, device="meta")).values())


def test_floats_and_indices_computed_from_shapes_go_to_where_the_images_are():
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Cast", ["shape"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["x", "floats"], ["scaled"]),
        helper.make_node("Sub", ["shape", "shape"], ["zeros"]),
        helper.make_node("Gather", ["scaled", "zeros"], ["y"], axis=0),
    ]
    graph = TorchGraph(model_of(nodes, {"x": ("n", 2)}))
    torch.testing.assert_close(graph(torch.ones(3, 2)), torch.tensor([[3.0, 2], [3, 2]]))
    assert graph.to("meta")(torch.empty(3, 2, device="meta")).device.type == "meta"


def test_gradients_are_those_of_finite_differences():
    graph = TorchGraph(ATTENTION).double()
    images = torch.from_numpy(np.random.default_rng(2).standard_normal((2, 3, 8, 8))).requires_grad_()
    assert torch.autograd.gradcheck(graph, (images,), fast_mode=True)
    assert not any(buffer.requires_grad for buffer in graph.buffers())
    assert not list(graph.parameters())


@pytest.mark.parametrize("name", ["cifar10_resnet20", "gtsrbnet64", "imagenet_squeezenet1_1"])
def test_gradients_of_real_models_are_those_of_finite_differences(shared, name):
    graph = TorchGraph(onnx.load(shared / f"models/{name}.onnx")).double()
    size = {"cifar10_resnet20": 32, "gtsrbnet64": 64}.get(name, 224)
    rng = np.random.default_rng(3)
    image, direction = (torch.from_numpy(rng.standard_normal((1, 3, size, size))) for _ in range(2))
    direction /= direction.norm()

    def loss(at):
        return torch.nn.functional.cross_entropy(graph(at), torch.tensor([3]))

    (gradient,) = torch.autograd.grad(loss(image.requires_grad_()), image)
    # Small enough to cross no kink of a ReLU that would matter.
    step = 1e-6
    with torch.no_grad():
        expected = (loss(image + step * direction) - loss(image - step * direction)) / (2 * step)
    assert abs(float(expected)) > 1e-6
    torch.testing.assert_close((gradient * direction).sum(), expected, rtol=1e-4, atol=1e-9)


def test_rounding_passes_the_gradient_inside_the_range_and_stops_it_outside():
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("Mul", ["d", "w"], ["y"]),
    ]
    weights = np.array([1, 2, 3, 4, 5, 6], np.float32)
    constants = {"s": np.float32(0.5), "z": np.uint8(10), "w": weights}
    graph = TorchGraph(model_of(nodes, {"x": (6,)}, constants, opset=13))
    # Codes: 0 (the end), -1 -> 0, 10, 12 (2.5 to even), 255 (the end, rounded down to it), 256 -> 255.
    images = torch.tensor([-5.0, -5.5, 0.1, 1.25, 122.7, 122.9], requires_grad=True)
    found = graph(images)
    codes = torch.tensor([0.0, 0, 10, 12, 255, 255])
    torch.testing.assert_close(found, (codes - 10) * 0.5 * torch.from_numpy(weights), rtol=0, atol=0)
    found.sum().backward()
    torch.testing.assert_close(images.grad, torch.tensor([1.0, 0, 3, 4, 5, 0]), rtol=0, atol=0)
    with torch.no_grad():
        torch.testing.assert_close(graph(images), found, rtol=0, atol=0)
    assert "q" not in graph.values(images)


def test_an_image_of_integers_may_be_given_as_floats_and_gets_a_gradient():
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["t"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["f", "w"], ["y"]),
    ]
    model = model_of(nodes, {"x": ("n", 2, 2, 3)}, {"w": np.float32(0.25)}, kind=TensorProto.UINT8)
    graph = TorchGraph(model)
    image = torch.arange(12, dtype=torch.uint8).reshape(1, 2, 2, 3)
    floats = image.float().requires_grad_()
    torch.testing.assert_close(graph(floats), graph(image), rtol=0, atol=0)
    graph(floats).sum().backward()
    torch.testing.assert_close(floats.grad, torch.full((1, 2, 2, 3), 0.25))


def test_local_functions_are_inlined():
    twice = helper.make_function(
        "own", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 18)]
    )
    nodes = [helper.make_node("Twice", ["x"], ["y"], domain="own")]
    graph = TorchGraph(model_of(nodes, {"x": (2,)}, functions=[twice], domains=["own"]))
    torch.testing.assert_close(graph(torch.tensor([1.0, 2.0])), torch.tensor([2.0, 4.0]))


def test_what_depends_on_constants_alone_is_computed_once():
    nodes = [
        helper.make_node("DequantizeLinear", ["c", "s"], ["w"]),
        helper.make_node("Transpose", ["w"], ["t"]),
        helper.make_node("MatMul", ["x", "t"], ["y"]),
    ]
    graph = TorchGraph(model_of(nodes, {"x": (1, 2)}, {"c": np.eye(2, dtype=np.int8), "s": np.float32(0.5)}))
    seen = []
    found = graph.observe(lambda step, inputs, outputs: seen.append(step.op), torch.tensor([[1.0, 2.0]]))
    assert seen == ["MatMul"]
    torch.testing.assert_close(found, torch.tensor([[0.5, 1.0]]))
    assert sum(buffer.numel() for buffer in graph.buffers()) == 4 + 1  # the transposed weight, and the working type


def test_values_are_freed_after_their_last_use_and_kept_on_request():
    nodes = [helper.make_node("Relu", [f"v{n}"], [f"v{n + 1}"]) for n in range(5)]
    graph = TorchGraph(model_of(nodes, {"v0": (3,)}, output="v5"))
    assert set(graph._run([torch.ones(3)], graph._short)) == {"v5"}
    assert list(graph.values(torch.ones(3))) == [f"v{n}" for n in range(1, 6)]


def body():
    return helper.make_graph([], "body", [], [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])])


IMAGES = {"x": (1, 4, 4, 4)}
UNSUPPORTED = {
    "an unknown operator": ([helper.make_node("NonMaxSuppression", ["x"], ["y"], name="nms")], "'nms'.*NonMaxSup"),
    "another domain": ([helper.make_node("Relu", ["x"], ["y"], domain="own")], "own::Relu"),
    "control flow": (
        [helper.make_node("If", ["c"], ["y"], then_branch=body(), else_branch=body())],
        "ai.onnx::If is not supported",
    ),
    "an unknown attribute": ([helper.make_node("Relu", ["x"], ["y"], slope=1.0)], "'slope' is not supported"),
    "training": (
        [helper.make_node("BatchNormalization", ["x", *"abcd"], ["y", "m", "v"], training_mode=1)],
        "training_mode=1",
    ),
    "cubic": ([helper.make_node("Resize", ["x", "", "f"], ["y"], mode="cubic")], "mode='cubic'"),
    "an operator of later": ([helper.make_node("Gelu", ["x"], ["y"])], "opset does not have"),
    "half integers": (
        [helper.make_node("Cast", ["x"], ["i"], to=TensorProto.UINT8), helper.make_node("Add", ["i", "i"], ["y"])],
        "at most 16 bits",
    ),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_what_cannot_be_exact_is_refused_when_it_is_built(name):
    nodes, words = UNSUPPORTED[name]
    four = np.ones(4, np.float32)
    constants = {**dict.fromkeys("abcd", four), "f": four} | ({"c": np.array(True)} if name == "control flow" else {})
    with pytest.raises(UnsupportedError, match=words):
        TorchGraph(model_of(nodes, IMAGES, constants, domains=["own"]))


def test_graphs_that_are_none_are_refused():
    relu = helper.make_node("Relu", ["x"], ["y"])
    with pytest.raises(UnsupportedError, match="operator sets 7 to"):
        TorchGraph(model_of([relu], IMAGES, opset=6))
    with pytest.raises(BadInputError, match="no value 'other'"):
        TorchGraph(model_of([relu], IMAGES), "other")
    with pytest.raises(BadInputError, match="'later', which no node before it gives"):
        TorchGraph(model_of([helper.make_node("Add", ["x", "later"], ["y"])], IMAGES))
    external = model_of([helper.make_node("Add", ["x", "w"], ["y"])], IMAGES, {"w": np.ones(4, np.float32)})
    external.graph.initializer[0].data_location = TensorProto.EXTERNAL
    with pytest.raises(UnsupportedError, match="outside the file"):
        TorchGraph(external)


def test_inputs_of_another_type_or_number_are_refused():
    graph = TorchGraph(model_of([helper.make_node("Relu", ["x"], ["y"])], IMAGES))
    with pytest.raises(ValueError, match=r"'x' is torch.float32, got torch.float64"):
        graph(torch.ones(1, 4, 4, 4, dtype=torch.float64))
    with pytest.raises(ValueError, match="takes 1 inputs, got 2"):
        graph(torch.ones(1), torch.ones(1))


def test_a_node_that_fails_is_named():
    graph = TorchGraph(
        model_of([helper.make_node("MatMul", ["x", "w"], ["y"], name="fc")], {"x": ("n", "k")}, {"w": x(4, 2)})
    )
    with pytest.raises(RuntimeError, match="MatMul node 'fc'"):
        graph(torch.ones(1, 3))
