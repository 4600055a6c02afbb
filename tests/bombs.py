"""Hostile ONNX files: small on disk, or well-formed, and ruinous for whoever believes them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
from conftest import make_model
from onnx import TensorProto, helper, numpy_helper

BOMBS: dict[str, tuple[Callable[[Path], None], str]] = {}


def bomb(says):
    """Files a maker of a hostile file under its name, with a part of the message that must refuse it."""

    def add(make):
        BOMBS[make.__name__] = (make, says)
        return make

    return add


def changed(says):
    """The same for a change of the small classifier."""

    def add(change):
        def make(path):
            make_model(path, change=change)

        BOMBS[change.__name__] = (make, says)
        return change

    return add


def constant(model, name, *values):
    model.graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), name))
    return name


def beside(model, *nodes):
    """Adds nodes that the classifier does not need."""
    model.graph.node.extend(nodes)


@changed("topologically sorted")
def cyclic(model):
    model.graph.node[1].input[0] = "c2"


@changed("topologically sorted")
def unsorted(model):
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(reversed(nodes))


@changed("claims 1048576x1048576 of FLOAT, 4398046511104 bytes, and holds 4")
def claims_terabytes(model):
    tensor = model.graph.initializer[0]
    tensor.dims[:] = [1 << 20, 1 << 20]
    tensor.raw_data = b"1234"


@changed("and holds 0")
def claims_terabytes_of_nothing(model):
    model.graph.initializer.append(TensorProto(name="huge", data_type=TensorProto.FLOAT, dims=[1 << 62, 1 << 62]))


@changed("and holds 0")
def constant_of_terabytes(model):
    value = TensorProto(data_type=TensorProto.INT8, dims=[1 << 40])
    beside(model, helper.make_node("Constant", [], ["huge"], value=value))


@changed("claims 16x3x3x3 of FLOAT, 1728 bytes, and holds 1727")
def one_byte_short(model):
    model.graph.initializer[0].raw_data = model.graph.initializer[0].raw_data[:-1]


@changed("has the shape [-16, 3, 3, 3]")
def negative(model):
    model.graph.initializer[0].dims[0] = -16


@changed("has 1000000 axes")
def a_million_axes(model):
    model.graph.initializer[0].dims.extend([1] * (10**6 - 4))


@changed("sparse")
def sparse(model):
    values = numpy_helper.from_array(np.ones(1, np.float32), "sparse")
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "where")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [1 << 40]))


@changed("is of the type 99")
def unknown_type(model):
    model.graph.initializer[0].data_type = 99


@changed("node 'big' (ConstantOfShape)")
def filled(model):
    beside(model, helper.make_node("ConstantOfShape", [constant(model, "s", 1 << 20, 1 << 20)], ["x"], name="big"))


@changed("node 'big' (Expand)")
def expanded(model):
    beside(model, helper.make_node("Expand", ["pooled", constant(model, "s", 1 << 31, 1, 32)], ["x"], name="big"))


@changed("node 'big' (Tile)")
def tiled(model):
    beside(model, helper.make_node("Tile", ["pooled", constant(model, "s", 1 << 20, 1 << 20)], ["x"], name="big"))


@changed("node 'big' (Range)")
def ranged(model):
    for name, value in (("from", 0), ("to", 1 << 50), ("by", 1)):
        model.graph.initializer.append(numpy_helper.from_array(np.array(value, np.int64), name))
    beside(model, helper.make_node("Range", ["from", "to", "by"], ["x"], name="big"))


@changed("node 'big' (Pad)")
def padded(model):
    pads = constant(model, "s", 0, 0, 1 << 20, 1 << 20, 0, 0, 1 << 20, 1 << 20)
    beside(model, helper.make_node("Pad", ["c1", pads], ["x"], name="big"))


@changed("node 'big' (Resize)")
def resized(model):
    sizes = constant(model, "s", 1, 16, 1 << 20, 1 << 20)
    beside(model, helper.make_node("Resize", ["c1", "", "", sizes], ["x"], name="big"))


@changed("ConstantOfShape")
def filled_by_arithmetic(model):
    constant(model, "s", 1 << 20)
    beside(
        model,
        helper.make_node("Mul", ["s", "s"], ["product"]),
        helper.make_node("ConstantOfShape", ["product"], ["x"], name="big"),
    )


@changed("Concat")
def doubled_beyond_all_bounds(model):
    constant(model, "s0", 1)
    beside(model, *(helper.make_node("Concat", [f"s{i}"] * 2, [f"s{i + 1}"], axis=0) for i in range(62)))


@changed("computes shapes of")
def doubled_to_a_million(model):
    """Each value is small; but inference would carry every element of every vector as a message."""
    constant(model, "s0", 1)
    beside(model, *(helper.make_node("Concat", [f"s{i}"] * 2, [f"s{i + 1}"], axis=0) for i in range(25)))


@changed("ConstantOfShape")
def filled_with_integers_by_arithmetic(model):
    """Inference must not carry the elements of a vector whose length it learns while it carries values."""
    constant(model, "s", 1 << 16)
    value = helper.make_tensor("one", TensorProto.INT64, [1], [1])
    beside(
        model,
        helper.make_node("Mul", ["s", "s"], ["product"]),
        helper.make_node("ConstantOfShape", ["product"], ["x"], name="big", value=value),
        helper.make_node("Concat", ["x", "x"], ["y"], axis=0),
    )


def functions(model, levels, fan, last="Relu"):
    """levels functions, each of which calls the next one `fan` times in a row."""
    model.opset_import.append(helper.make_opsetid("local", 1))
    imports = [helper.make_opsetid("", 18), helper.make_opsetid("local", 1)]
    for level in range(levels):
        is_last = level == levels - 1
        called, domain = (last, "local" if last != "Relu" else "") if is_last else (f"f{level + 1}", "local")
        names = ["x", *(f"y{index}" for index in range(fan))]
        body = [
            helper.make_node(called, [source], [target], domain=domain) for source, target in itertools.pairwise(names)
        ]
        model.functions.append(helper.make_function("local", f"f{level}", ["x"], names[-1:], body, imports))
    model.graph.node[1].op_type, model.graph.node[1].domain = "f0", "local"


@changed("at most 50000 nodes")
def exploding_functions(model):
    functions(model, 20, 2)


@changed("more than 10^12 nodes")
def astronomic_functions(model):
    functions(model, 200, 16)


@changed("calls itself")
def recursive_functions(model):
    functions(model, 3, 1, last="f0")


@changed("of function bodies")
def functions_with_ballast(model):
    functions(model, 12, 2)
    value = numpy_helper.from_array(np.zeros(1 << 18, np.float32))
    model.functions[-1].node.append(helper.make_node("Constant", [], ["ballast"], value=value))


@changed("defines a model-local function twice")
def the_same_function_twice(model):
    functions(model, 1, 1)
    model.functions.append(model.functions[0])


@bomb("nests messages more than 100 deep")
def nested_subgraphs(path):
    """Deeper than protobuf's own limit; written by hand, as the library refuses to."""
    graph = field(1, field(4, b"Relu"))
    for _ in range(50):
        graph = field(1, field(4, b"If") + field(5, field(1, b"then_branch") + field(6, graph)))
    path.write_bytes(b"\x08\x0a" + field(7, graph))


def field(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


@bomb("more than 2000000 fields")
def empty_nodes(path):
    """20 MB that parse to 1.7 GB."""
    path.write_bytes(b"\x08\x0a" + field(7, b"\x0a\x00" * 10_000_000))


@bomb("bytes of integers")
def packed_zeros(path):
    """A sparse file of zeros, eight times as large when it is parsed."""
    size = 1 << 30
    tensor = b"\x10\x07" + varint(7 << 3 | 2) + varint(size)
    initializer = varint(5 << 3 | 2) + varint(len(tensor) + size) + tensor
    with path.open("wb") as stream:
        stream.write(b"\x08\x0a" + varint(7 << 3 | 2) + varint(len(initializer) + size) + initializer)
        stream.truncate(stream.tell() + size)


@bomb("above 2 GiB")
def three_gigabytes(path):
    with path.open("wb") as stream:
        stream.truncate(3 << 30)


@changed("MiB of metadata")
def metadata(model):
    model.metadata_props.add(key="seatrial.contract", value="[" * (20 << 20))


@changed("is not JSON")
def nested_metadata(model):
    model.metadata_props.add(key="seatrial.contract", value="[" * 1_000_000)


@changed("is written in opset 6")
def ancient(model):
    model.opset_import[0].version = 6


@changed("at most 50000 nodes")
def a_chain_of_nodes(model):
    for index in range(60_000):
        model.graph.node.add(op_type="Relu", input=[f"n{index}" if index else "pooled"], output=[f"n{index + 1}"])
