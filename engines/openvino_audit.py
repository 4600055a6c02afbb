"""Reads from OpenVINO's runtime model which kernels run, at which precision, on how much work."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from seatrial.engines.audit import UNKNOWN, Audit, Layer, with_guesses
from seatrial.engines.openvino_work import DynamicShapeError, executed_macs, imported_macs

# Element types as they end a kernel's name (`brgconv_avx512_amx_I8`); I8 stands for unsigned bytes there.
_WORDS = {"f32": "fp32", "f16": "fp16", "bf16": "bf16", "i8": "int8", "u8": "int8", "I8": "int8"}
_FOUR_BITS = ("i4", "u4")
# What the ONNX importer appends to the name of the product in a node that adds a bias, too.
_WITHOUT_BIAS = "/WithoutBiases"
# In the runtime model, but nothing that is executed.
_NOT_EXECUTED = ("Const", "Input", "Output")
_DECOMPOSED = "Einsum"
# Kernels that hold others, which the runtime model does not show.
_CONTROL = ("If", "Loop", "TensorIterator")


def read_audit(imported: Any, runtime_model: Any, requested: str, images: int) -> Audit:
    """The audit of a compiled model; multiply-accumulates for one of the `images` that one inference takes.

    imported: the `openvino.Model` that was compiled, at the shape of its input. Work is counted by the shapes that the
    runtime model gives its convolutions and matrix products. Products inside other kernels, as those of an attention
    in a `Subgraph`, are found by the imported operators that the kernel is named after, or whose results it is named
    after. Work of the imported model that no kernel shows is a layer of its own, of "unknown" precision.
    """
    executed = [op for op in runtime_model.get_ordered_ops() if _info(op, "layerType") not in _NOT_EXECUTED]
    asked = {op: _counted(imported_macs, op) for op in _per_batch(imported)}
    products = {op: work for op, work in asked.items() if work != 0}
    done_by = _joined(products, executed)
    _join_by_work(done_by, products, {op.get_friendly_name(): work for op in executed if (work := _shown(op))})
    per_batch = {op.get_friendly_name() for op in _per_batch(runtime_model)}
    layers: list[Layer] = []
    others: list[Any] = []
    uncounted: list[Layer] = []
    for op in executed:
        work = _shown(op)
        if work is None:
            uncounted.append(_layer(op, done_by, 0, requested))
        elif work:
            layers.append(_layer(op, done_by, work // images, requested))
        elif op.get_friendly_name() in per_batch:
            others.append(op)
    missing = sum(work or 0 for work in products.values()) // images - sum(layer.macs for layer in layers)
    counts: Counter[str] = Counter()
    for op in others:
        done = [products[product] for product in done_by.get(op.get_friendly_name(), ())]
        work = sum(macs or 0 for macs in done) // images
        if None in done:
            uncounted.append(_layer(op, done_by, 0, requested))
        elif 0 < work <= missing:
            layers.append(_layer(op, done_by, work, requested))
            missing -= work
        else:
            counts[_info(op, "layerType")] += 1
    if missing > 0 and not uncounted:
        layers.append(Layer("not shown by the runtime model", UNKNOWN, missing, requested, UNKNOWN))
    return Audit(with_guesses(layers, uncounted), dict(sorted(counts.items())))


def kernels(runtime_model: Any) -> Counter[tuple[str, ...]]:
    """How often which kernel runs: its kind, its name, its precision and the shape of its result."""
    return Counter(
        (
            *(_info(op, key) for key in ("layerType", "primitiveType", "runtimePrecision")),
            str(op.get_output_partial_shape(0)),
        )
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
    kind, kernel = _info(op, "layerType"), _info(op, "primitiveType")
    own = op.get_friendly_name()
    products = done_by.get(own)
    return Layer(
        name=_name_of(products[0]) if products else own.partition(_WITHOUT_BIAS)[0],
        op=f"{kind} ({kernel})",
        macs=macs,
        requested=requested,
        realized=UNKNOWN if kind in _CONTROL else realized(kernel, _info(op, "runtimePrecision")),
    )


def _join_by_work(
    done_by: dict[str, list[Any]], products: Mapping[Any, int | None], kernels: Mapping[str, int]
) -> None:
    """An Einsum becomes products that bear no name of the file: the first kernel of as much work that has no other
    product is its own, or the only one that has none.
    """
    nameless = {kernel: work for kernel, work in kernels.items() if kernel not in done_by}
    for product, work in products.items():
        if product.get_type_name() != _DECOMPOSED or any(product in done_by.get(kernel, ()) for kernel in kernels):
            continue
        alike = [kernel for kernel, shown in nameless.items() if shown == work] or list(nameless)
        if alike and (len(nameless) == 1 or nameless[alike[0]] == work):
            for found in done_by.values():
                if product in found:
                    found.remove(product)
            done_by[alike[0]] = [product]
            del nameless[alike[0]]


def _name_of(product: Any) -> str:
    """As in the file: the node's; or the result's, where the importer made several operators of a node."""
    name: str = product.get_friendly_name()
    if not re.fullmatch(rf"{product.get_type_name()}_\d+", name):
        return name.partition(_WITHOUT_BIAS)[0]
    waiting = deque([product])
    while waiting:
        op = waiting.popleft()
        for output in op.outputs():
            if output.get_names():
                return str(min(output.get_names()))
            waiting.extend(target.get_node() for target in output.get_target_inputs())
    return name


def _shown(op: Any) -> int | None:
    return _counted(executed_macs, op, _info(op, "layerType"))


def _counted(count: Callable[..., int], *of: Any) -> int | None:
    """None where no shape tells."""
    try:
        return count(*of)
    except DynamicShapeError:
        return None


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
                if user.get_friendly_name() not in seen and _counted(imported_macs, user) == 0:
                    seen.add(user.get_friendly_name())
                    waiting.append(user)
    return None


def _per_batch(model: Any) -> list[Any]:
    """What is computed for every batch: the rest shapes weights once, when the model is compiled."""
    found: list[Any] = []
    names: set[str] = set()
    for op in model.get_ordered_ops():
        sources = [value.get_node().get_friendly_name() for value in op.input_values()]
        image = op.get_type_name() == "Parameter" or _info(op, "layerType") == "Input"
        if image or any(source in names for source in sources):
            names.add(op.get_friendly_name())
            found.append(op)
    return found


def _info(op: Any, key: str) -> str:
    info = op.get_rt_info()
    value = info[key] if key in info else ""  # noqa: SIM401  (an RTMap has no get)
    return str(getattr(value, "value", value))


def _original_names(op: Any) -> list[str]:
    return [name for name in _info(op, "originalLayersNames").split(",") if name]
