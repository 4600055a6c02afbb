"""Small classifiers that do not answer alike: random ones, ones that mix a batch, ones that hold it, and sound ones."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper
from small_graphs import SIZE, Net

CHANNELS = 8


def _longs(net, *values):
    return net.constant(np.array(values, np.int64))


def _floats(net, value, *shape):
    return net.constant(np.full(shape, value, np.float32))


def _features(net):
    return net.op("Relu", net.conv("input", 3, CHANNELS, stride=2, name="stem"))


def _head(net, value, *, flat=False):
    """Pools and flattens, unless that is done, and gives the scores."""
    if not flat:
        value = net.op("Flatten", net.op("GlobalAveragePool", value, name="pool"), name="flatten")
    net.op("Gemm", value, net.weight(4, CHANNELS), _floats(net, 0, 4), name="fc", out="logits", transB=1)


def _vector(net):
    return net.op("Flatten", net.op("GlobalAveragePool", _features(net), name="pool"), name="flatten")


# --- random ---------------------------------------------------------------------------------------------------------


def random_normal(net):
    noise = net.op("RandomNormal", name="culprit", shape=[1, CHANNELS, 1, 1], scale=2.0)
    _head(net, net.op("Add", _features(net), noise))


def random_normal_with_a_seed(net):
    noise = net.op("RandomNormal", name="culprit", shape=[1, CHANNELS, 1, 1], seed=7.0)
    _head(net, net.op("Add", _features(net), noise))


def random_normal_like(net):
    value = _features(net)
    _head(net, net.op("Add", value, net.op("RandomNormalLike", value, name="culprit")))


def random_uniform(net):
    _head(net, net.op("Mul", _features(net), net.op("RandomUniform", name="culprit", shape=[1, CHANNELS, 1, 1])))


def random_uniform_like(net):
    value = _features(net)
    _head(net, net.op("Mul", value, net.op("RandomUniformLike", value, name="culprit")))


def faint_noise(net):
    """Far below what rounding may move; it is random all the same."""
    value = _features(net)
    _head(net, net.op("Add", value, net.op("RandomNormalLike", value, name="culprit", scale=1e-5)))


def bernoulli(net):
    value = _features(net)
    bits = net.op("Bernoulli", net.op("Sigmoid", value), name="culprit")
    _head(net, net.op("Mul", value, bits))


def multinomial(net):
    drawn = net.op("Multinomial", _floats(net, 0, 1, 5), name="culprit", sample_size=CHANNELS)
    drawn = net.op("Cast", drawn, to=TensorProto.FLOAT)
    _head(net, net.op("Mul", _vector(net), drawn), flat=True)


def dropout_in_training(net):
    _head(
        net, net.op("Dropout", _vector(net), _floats(net, 0.5), net.constant(np.bool_(True)), name="culprit"), flat=True
    )


def seldom(net):
    """One image in thirty or so gets other answers."""
    value = _vector(net)
    rare = net.op("RandomUniformLike", net.op("ReduceMax", value, _longs(net, 1)), name="culprit")
    fires = net.op("Cast", net.op("Greater", rare, _floats(net, 0.97)), to=TensorProto.FLOAT)
    _head(net, net.op("Mul", value, net.op("Add", _floats(net, 1), fires)), flat=True)


def dropout_in_a_branch(net):
    """Inside of an If, on a value from outside, with its flag from outside, too."""
    value = _vector(net)
    ratio, trains = _floats(net, 0.5), net.constant(np.bool_(True))
    inside = [helper.make_node("Dropout", [value, ratio, trains], ["kept"], name="culprit")]
    other = [helper.make_node("Identity", [value], ["same"])]
    branches = [
        helper.make_graph(nodes, name, [], [helper.make_tensor_value_info(out, TensorProto.FLOAT, None)])
        for nodes, name, out in ((inside, "yes", "kept"), (other, "no", "same"))
    ]
    found = net.op("If", net.constant(np.bool_(True)), name="choice", then_branch=branches[0], else_branch=branches[1])
    _head(net, found, flat=True)


# --- mixing the images of a batch -----------------------------------------------------------------------------------


def batch_norm_in_training(net):
    parameters = [_floats(net, value, CHANNELS) for value in (1, 0, 0, 1)]
    outputs = ["normalised", "running_mean", "running_var"]
    net.op("BatchNormalization", _features(net), *parameters, name="culprit", out=outputs, training_mode=1)
    _head(net, net.op("Relu", "normalised"))


def batch_norm_by_hand(net):
    value = _features(net)
    mean = net.op("ReduceMean", value, _longs(net, 0, 2, 3), name="culprit", keepdims=1)
    _head(net, net.op("Relu", net.op("Sub", value, mean)))


def softmax_over_the_batch(net):
    _head(net, net.op("Softmax", _vector(net), name="culprit", axis=0), flat=True)


def maximum_over_the_batch(net):
    """Each channel's winner of the batch is marked."""
    value = _vector(net)
    winner = net.op("ArgMax", value, name="culprit", axis=0, keepdims=1)
    _head(net, net.op("Mul", value, net.op("Cast", winner, to=TensorProto.FLOAT)), flat=True)


def mean_variance_normalization(net):
    """Its default axes have the batch among them."""
    value = net.op("MeanVarianceNormalization", net.conv("input", 3, CHANNELS, stride=2), name="culprit")
    _head(net, net.op("Relu", value))


def instance_norm_of_the_batch(net):
    """All images side by side as one: its statistics are those of the batch."""
    half = SIZE // 2
    turned = net.op("Transpose", net.conv("input", 3, CHANNELS, stride=2), perm=[1, 0, 2, 3])
    value = net.op("Reshape", turned, _longs(net, 1, CHANNELS, -1))
    value = net.op("InstanceNormalization", value, _floats(net, 1, CHANNELS), _floats(net, 0, CHANNELS), name="culprit")
    value = net.op("Reshape", value, _longs(net, CHANNELS, -1, half, half))
    _head(net, net.op("Relu", net.op("Transpose", value, perm=[1, 0, 2, 3])))


def backwards(net):
    """Each image gets what belongs to another one."""
    value = _vector(net)
    turned = net.op(
        "Slice", value, _longs(net, -1), _longs(net, -(2**31)), _longs(net, 0), _longs(net, -1), name="culprit"
    )
    _head(net, net.op("Add", value, turned), flat=True)


def state_over_images(net):
    """A Scan whose state goes from image to image."""
    body = helper.make_graph(
        [
            helper.make_node("Add", ["state", "image"], ["next"]),
            helper.make_node("Identity", ["next"], ["out"]),
        ],
        "body",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [CHANNELS]) for name in ("state", "image")],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [CHANNELS]) for name in ("next", "out")],
    )
    outputs = ["last", "sums"]
    net.op("Scan", _floats(net, 0, CHANNELS), _vector(net), name="culprit", out=outputs, num_scan_inputs=1, body=body)
    _head(net, "sums", flat=True)


def batch_as_time(net):
    """A recurrence over images: the axis of time is the first, and so is the batch's."""
    value = net.op("Unsqueeze", _vector(net), _longs(net, 1))
    weights = [net.weight(1, CHANNELS, CHANNELS), net.weight(1, CHANNELS, CHANNELS)]
    net.op("RNN", value, *weights, name="culprit", out=["steps"], hidden_size=CHANNELS)
    _head(net, net.op("Squeeze", "steps", _longs(net, 1, 2)), flat=True)


def running_sum(net):
    _head(net, net.op("CumSum", _vector(net), net.constant(np.array(0, np.int64)), name="culprit"), flat=True)


def images_against_images(net):
    value = _vector(net)
    net.op("MatMul", value, net.op("Transpose", value, perm=[1, 0]), name="culprit", out="products")
    _head(net, net.op("MatMul", net.op("Softmax", "products", axis=1), value), flat=True)


def fold_into_columns(net):
    """[N, C] read as [C, N] and back: rows of several images."""
    value = net.op("Reshape", _vector(net), _longs(net, CHANNELS, -1), name="culprit")
    value = net.op("Softmax", value, axis=0)
    _head(net, net.op("Reshape", value, _longs(net, -1, CHANNELS)), flat=True)


def range_of_the_batch(net):
    """Quantized by hand, as DynamicQuantizeLinear does: one scale for all images."""
    value = _features(net)
    largest = net.op("ReduceMax", net.op("Abs", value), name="culprit", keepdims=0)
    scale = net.op("Div", largest, _floats(net, 7))
    _head(net, net.op("Mul", net.op("Round", net.op("Div", value, scale)), scale))


# --- holding a batch ------------------------------------------------------------------------------------------------


def reshape_holds(net, batch):
    pooled = net.op("GlobalAveragePool", _features(net), name="pool")
    _head(net, net.op("Reshape", pooled, _longs(net, batch, CHANNELS), name="holder"), flat=True)


def reshape_holds_the_rest(net, batch):
    pooled = net.op("GlobalAveragePool", _features(net), name="pool")
    _head(net, net.op("Reshape", pooled, _longs(net, batch, -1), name="holder"), flat=True)


def reshape_of_maps_holds(net, batch):
    half = SIZE // 2
    _head(net, net.op("Reshape", _features(net), _longs(net, batch, CHANNELS, half, half), name="holder"))


def expand_holds(net, batch):
    """A class token that was expanded to the batch."""
    token = net.op("Expand", _floats(net, 0.5, 1, CHANNELS, 1), _longs(net, batch, CHANNELS, 1), name="holder")
    tokens = net.op("Reshape", _features(net), _longs(net, 0, CHANNELS, -1))
    joined = net.op("Concat", tokens, token, axis=2)
    _head(net, net.op("ReduceMean", joined, _longs(net, 2), keepdims=0), flat=True)


def zeros_hold(net, batch):
    """An initial state made for the batch."""
    zeros = net.op("ConstantOfShape", _longs(net, batch, CHANNELS), name="holder")
    joined = net.op("Concat", _vector(net), zeros, axis=1)
    _head(net, net.op("Slice", joined, _longs(net, 0), _longs(net, CHANNELS), _longs(net, 1)), flat=True)


def constant_holds(net, batch):
    offsets = net.constant(np.zeros((batch, CHANNELS), np.float32), "holder")
    joined = net.op("Concat", _vector(net), offsets, axis=1)
    _head(net, net.op("Slice", joined, _longs(net, 0), _longs(net, CHANNELS), _longs(net, 1)), flat=True)


def slice_holds(net, batch):
    _head(
        net, net.op("Slice", _vector(net), _longs(net, 0), _longs(net, batch), _longs(net, 0), name="holder"), flat=True
    )


def resize_holds(net, batch):
    sizes = _longs(net, batch, CHANNELS, SIZE, SIZE)
    _head(net, net.op("Resize", _features(net), "", "", sizes, name="holder", mode="nearest"))


# --- sound ----------------------------------------------------------------------------------------------------------


def plain(net):
    _head(net, _features(net))


def noise_on_nothing(net):
    """Draws that reach no answer, or cannot differ."""
    value = _features(net)
    net.op("RandomNormalLike", value, name="unused")
    value = net.op("Add", value, net.op("RandomUniform", shape=[1, CHANNELS, 1, 1], low=1.0, high=1.0))
    value = net.op("Dropout", value, _floats(net, 0), net.constant(np.bool_(True)))
    _head(net, net.op("Dropout", value, _floats(net, 0.5), net.constant(np.bool_(False))))


def batch_folded_and_back(net):
    """Groups of channels as images of their own, as in attention heads; nothing meets."""
    half = SIZE // 2
    value = net.op("Reshape", _features(net), _longs(net, -1, 2, half, half))
    value = net.op("InstanceNormalization", value, _floats(net, 1, 2), _floats(net, 0, 2))
    _head(net, net.op("Reshape", value, _longs(net, -1, CHANNELS, half, half)))


def sequence_first(net):
    """[N, C, P] turned to [P, N, C] and back, with softmax over places."""
    value = net.op("Transpose", net.op("Reshape", _features(net), _longs(net, 0, CHANNELS, -1)), perm=[2, 0, 1])
    value = net.op("Mul", value, net.op("Softmax", value, axis=0))
    _head(net, net.op("ReduceSum", value, _longs(net, 0), keepdims=0), flat=True)


def two_views(net):
    """An image and its mirror image as one batch, averaged afterwards."""
    turned = net.op("Slice", "input", _longs(net, -1), _longs(net, -(2**31)), _longs(net, 3), _longs(net, -1))
    both = net.conv(net.op("Concat", "input", turned, axis=0), 3, CHANNELS, stride=2)
    pooled = net.op("GlobalAveragePool", both)
    pair = net.op("Reshape", pooled, _longs(net, 2, -1, CHANNELS))
    _head(net, net.op("ReduceMean", pair, _longs(net, 0), keepdims=0), flat=True)


RANDOM = [
    random_normal,
    random_normal_with_a_seed,
    random_normal_like,
    random_uniform,
    random_uniform_like,
    faint_noise,
    bernoulli,
    multinomial,
    dropout_in_training,
    dropout_in_a_branch,
    seldom,
]
MIXING = [
    batch_norm_in_training,
    batch_norm_by_hand,
    softmax_over_the_batch,
    maximum_over_the_batch,
    mean_variance_normalization,
    instance_norm_of_the_batch,
    backwards,
    state_over_images,
    batch_as_time,
    running_sum,
    images_against_images,
    fold_into_columns,
    range_of_the_batch,
]
HOLDING = [
    reshape_holds,
    reshape_holds_the_rest,
    reshape_of_maps_holds,
    expand_holds,
    zeros_hold,
    constant_holds,
    slice_holds,
    resize_holds,
]
SOUND = [plain, noise_on_nothing, batch_folded_and_back, sequence_first, two_views]


def make(kind, folder, *arguments):
    """The graph of that kind as a deployable model; its file is FOLDER/KIND.onnx."""
    net = Net()
    kind(net, *arguments)
    return net.save(folder / f"{kind.__name__}.onnx")


def with_a_function(path):
    """The graph of `dropout_in_training` with its Dropout inside of a function; rewritten in place."""
    model = onnx.load(path)
    (dropout,) = [node for node in model.graph.node if node.op_type == "Dropout"]
    body = helper.make_node("Dropout", ["x", "ratio", "trains"], ["y"], name="inside")
    opset = helper.make_opsetid("", 18)
    model.functions.append(helper.make_function("own", "Drop", ["x", "ratio", "trains"], ["y"], [body], [opset]))
    model.opset_import.append(helper.make_opsetid("own", 1))
    dropout.domain, dropout.op_type = "own", "Drop"
    path.write_bytes(model.SerializeToString())
    return path
