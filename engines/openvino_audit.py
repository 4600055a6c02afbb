"""Reads from OpenVINO's runtime model which kernels run, at which precision, on how much work."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from engines.audit import Audit, Layer, convolution_macs, matmul_macs

# Element types as they end a kernel's name (`brgconv_avx512_amx_I8`); I8 stands for unsigned bytes there.
_WORDS = {"f32": "fp32", "f16": "fp16", "bf16": "bf16", "i8": "int8", "u8": "int8", "I8": "int8"}
_FOUR_BITS = ("i4", "u4")
# What the ONNX importer appends to the name of the product in a node that adds a bias, too.
_WITHOUT_BIAS = "/WithoutBiases"
# In the runtime model, but nothing that is executed.
_NOT_EXECUTED = ("Const", "Input", "Output")


def read_audit(imported: Any, runtime_model: Any, requested: str, images: int) -> Audit:
    """The audit of a compiled model; multiply-accumulates for one of the `images` that one inference takes.

    imported: the `openvino.Model` that was compiled, at static shapes. Work is counted by the shapes that the runtime
    model gives its convolutions and matrix products. Products inside other kernels, as those of an attention in a
    `Subgraph`, are found by the imported operators that the kernel is named after, or whose results it is named
    after. Work of the imported model that no kernel shows is a layer of its own, of "unknown" precision.
    """
    executed = [op for op in runtime_model.get_ordered_ops() if _info(op, "layerType") not in _NOT_EXECUTED]
    products = {op: work // images for op in imported.get_ordered_ops() if (work := _imported_macs(op))}
    done_by = _joined(products, executed)
    per_batch = _not_constant(runtime_model)
    layers: list[Layer] = []
    others: list[Any] = []
    for op in executed:
        work = _executed_macs(op) // images
        if work:
            layers.append(_layer(op, done_by, work, requested))
        elif op.get_friendly_name() in per_batch:
            others.append(op)
    missing = sum(products.values()) - sum(layer.macs for layer in layers)
    counts: Counter[str] = Counter()
    for op in others:
        work = sum(products[product] for product in done_by.get(op.get_friendly_name(), ()))
        if 0 < work <= missing:
            layers.append(_layer(op, done_by, work, requested))
            missing -= work
        else:
            counts[_info(op, "layerType")] += 1
    if missing > 0:
        layers.append(Layer("not shown by the runtime model", "unknown", missing, requested, "unknown"))
    return Audit(tuple(layers), dict(sorted(counts.items())))


def kernels(runtime_model: Any) -> Counter[tuple[str, ...]]:
    """How often which kernel runs: its kind, its name, its precision and the shape of its result."""
    return Counter(
        (*(_info(op, key) for key in ("layerType", "primitiveType", "runtimePrecision")), str(op.get_output_shape(0)))
        for op in runtime_model.get_ordered_ops()
        if _info(op, "layerType") not in _NOT_EXECUTED
    )


def realized(kernel: str, narrowest: str) -> str:
    """The precision word of what a kernel computes in.

    kernel: `primitiveType`, whose end is the type of the activations as the kernel reads them. narrowest:
    `runtimePrecision`, the narrower of the activations' and the weights' type: a convolution that reads float
    activations and dequantizes 8-bit weights has an `i8` there and computes in float all the same. So the kernel's
    name decides, and `runtimePrecision` tells only of 4-bit weights.
    """
    word = _WORDS.get(kernel.rpartition("_")[2]) or _WORDS.get(narrowest, narrowest)
    if narrowest in _FOUR_BITS:
        return "w4a8" if word == "int8" else "int4"
    return word


def _layer(op: Any, done_by: Mapping[str, Sequence[Any]], macs: int, requested: str) -> Layer:
    kernel = _info(op, "primitiveType")
    own = op.get_friendly_name()
    products = done_by.get(own)
    name = products[0].get_friendly_name() if products else own
    return Layer(
        name=name.partition(_WITHOUT_BIAS)[0],
        op=f"{_info(op, 'layerType')} ({kernel})",
        macs=macs,
        requested=requested,
        realized=realized(kernel, _info(op, "runtimePrecision")),
    )


def _executed_macs(op: Any) -> int:
    kind = _info(op, "layerType")
    if kind == "Convolution":
        weight = _shape(op.input(1))
        # Grouped weights have the groups as an axis of their own in front: [G, C / G, ...].
        return _images(op) * convolution_macs(_shape(op.output(0)), weight[len(weight) - len(_shape(op.input(0))) :])
    if kind == "Deconvolution":
        return _transposed_macs(_shape(op.input(0)), _shape(op.input(1)))
    if kind == "FullyConnected":
        return _product_macs(_shape(op.output(0)), _shape(op.input(1))[-1])
    if kind == "MatMul":
        left, result = _shape(op.input(0)), _shape(op.output(0))
        # A transposition of the left side may be part of the kernel: the inner axis is the one that is no row.
        transposed = len(left) > 1 and len(result) > 1 and left[-2] != result[-2]
        return _product_macs(result, left[-2] if transposed else left[-1])
    return 0


def _imported_macs(op: Any) -> int:
    kind = op.get_type_name()
    if kind in ("Convolution", "GroupConvolution"):
        weight = _shape(op.input(1))
        return _images(op) * convolution_macs(
            _shape(op.output(0)), weight[1:] if kind == "GroupConvolution" else weight
        )
    if kind in ("ConvolutionBackpropData", "GroupConvolutionBackpropData"):
        return _transposed_macs(_shape(op.input(0)), _shape(op.input(1)))
    if kind == "MatMul":
        left = _shape(op.input(0))
        transposed = len(left) > 1 and op.get_attributes()["transpose_a"]
        return _product_macs(_shape(op.output(0)), left[-2] if transposed else left[-1])
    return 0


def _joined(products: Iterable[Any], executed: Iterable[Any]) -> dict[str, list[Any]]:
    """Kernel -> the products of the imported model that it does."""
    by_name = {name: op.get_friendly_name() for op in executed for name in _original_names(op)}
    done_by: dict[str, list[Any]] = {}
    for product in products:
        kernel = _kernel_of(product, by_name)
        if kernel is not None:
            done_by.setdefault(kernel, []).append(product)
    return done_by


def _kernel_of(product: Any, by_name: Mapping[str, str]) -> str | None:
    """The kernel named after the product, or after the nearest operator that its result goes to; None at the next
    product.

    A kernel is not named after all that it does: that of an attention keeps the names from the scaling on, and one
    that adds a bias may keep the addition's alone.
    """
    waiting, seen = deque([product]), {product.get_friendly_name()}
    while waiting:
        op = waiting.popleft()
        name = op.get_friendly_name()
        if name in by_name:
            return by_name[name]
        for output in op.outputs():
            for user in (target.get_node() for target in output.get_target_inputs()):
                if user.get_friendly_name() not in seen and not _imported_macs(user):
                    seen.add(user.get_friendly_name())
                    waiting.append(user)
    return None


def _not_constant(runtime_model: Any) -> set[str]:
    """Names of what is computed for every batch: the rest shapes weights once, when the model is compiled."""
    found: set[str] = set()
    for op in runtime_model.get_ordered_ops():
        sources = [value.get_node().get_friendly_name() for value in op.input_values()]
        if _info(op, "layerType") == "Input" or any(source in found for source in sources):
            found.add(op.get_friendly_name())
    return found


def _info(op: Any, key: str) -> str:
    info = op.get_rt_info()
    value = info[key] if key in info else ""  # noqa: SIM401  (an RTMap has no get)
    return str(getattr(value, "value", value))


def _original_names(op: Any) -> list[str]:
    return [name for name in _info(op, "originalLayersNames").split(",") if name]


def _shape(port: Any) -> list[int]:
    return list(port.get_shape())


def _images(op: Any) -> int:
    return _shape(op.output(0))[0]


def _product_macs(result: Sequence[int], inner: int) -> int:
    # All axes count: a leading one may be windows or heads instead of images.
    return matmul_macs([1, *result], inner)


def _transposed_macs(inputs: Sequence[int], weight: Sequence[int]) -> int:
    # Every input value meets the weights of its channel: [C, K / G, kH, kW], or [G, C / G, K / G, kH, kW] in groups.
    return math.prod(inputs) * math.prod(weight[len(weight) - len(inputs) + 1 :])
