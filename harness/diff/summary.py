"""From sums to the result."""

from __future__ import annotations

import math

import numpy as np

from seatrial.calib import recipe_for
from seatrial.engines.precision import is_quantized
from seatrial.harness.diff.comparison import Comparison, Logits
from seatrial.harness.diff.points import Layer
from seatrial.harness.diff.result import Answers, DiffResult, Image, Instrumented, LayerDifference, Unmatched
from seatrial.harness.diff.shown import parted_db, shown_values
from seatrial.harness.diff.statistics import Tally, ratio_db
from seatrial.harness.plan.files import needs_quantizing, recipe_of


def summarise(seen: Comparison) -> DiffResult:
    """All rows in the order of the original graph, and what is told beside them."""
    made, spec = seen.made, seen.spec
    stand_ins = {name for name, point in seen.points[1].items() if point.stands_in}
    matched = [layer for layer in seen.layers if layer.value in seen.tallies and layer.value not in stand_ins]
    places = {layer.value: index for index, layer in enumerate(seen.layers, start=1)}
    rows = [_row(seen, layer, places[layer.value]) for layer in matched]
    name = made.original.input_name
    if name in seen.rounding:
        readers = tuple(layer.node for layer in seen.layers if name in layer.inputs)
        rows.insert(0, _row(seen, Layer(name, "(input)", "Input", (), readers), 0))
    unmatched = [
        Unmatched(layer.value, layer.node, layer.op, seen.unmatched[layer.value])
        for layer in seen.layers
        if layer.value in seen.unmatched and layer.value not in stand_ins
    ]
    return DiffResult(
        model=made.plan.model.name,
        model_digest=made.plan.model.digest,
        data=made.plan.data_name,
        images=made.compared,
        seed=spec.run.seed,
        reference=made.reference.id,
        target=made.target.id,
        target_precision=spec.target.precision,
        same_file=spec.same_file,
        values=shown_values(spec),
        keeping=_keeping(seen),
        threshold_db=parted_db(spec),
        top=spec.top,
        answers=_answers(seen),
        reference_instrumented=_instrumented(seen.logits[0]),
        target_instrumented=_instrumented(seen.logits[1]),
        layers=tuple(rows),
        unmatched=tuple(unmatched),
        notes=(*made.plan.model.notes, *seen.notes),
        warnings=made.findings.says,
    )


def _row(seen: Comparison, layer: Layer, position: int) -> LayerDifference:
    tally, name = seen.tallies[layer.value], layer.value
    inputs = [seen.tallies[one].snr_db for one in layer.inputs if one in seen.tallies]
    saturated = seen.saturated.get(name)
    worst = tally.worst_image
    return LayerDifference(
        position=position,
        value=name,
        node=layer.node,
        op=layer.op,
        readers=_readers(seen, layer),
        snr_db=tally.snr_db,
        input_db=min(inputs, default=None),
        computed_db=_ratio(seen.computed, name),
        layer_db=_ratio(seen.own, name),
        rounding_db=_ratio(seen.rounding, name),
        saturated=None if saturated is None else saturated[0] / max(1, saturated[1]),
        largest_difference=tally.largest_difference,
        relative=tally.relative,
        cosine=tally.cosine,
        broken=tally.broken,
        worst_image=None if worst is None else (seen.made.ids[worst[0]], worst[1]),
    )


def _answers(seen: Comparison) -> Answers:
    if any(logits.failed is not None for logits in seen.logits):
        return Answers(None, None, None, None, ())
    reference, target = (np.concatenate(logits.untouched) for logits in seen.logits)
    labels = seen.made.labels[: seen.made.compared]
    known = seen.made.plan.data.labelled
    first, second = reference.argmax(axis=1), target.argmax(axis=1)
    noise = np.square(reference.astype(np.float64) - target).sum(axis=1)
    signal = np.square(reference.astype(np.float64)).sum(axis=1)
    differing = tuple(
        Image(
            seen.made.ids[int(index)],
            int(labels[index]),
            int(first[index]),
            int(second[index]),
            ratio_db(float(signal[index]), float(noise[index])),
        )
        for index in np.flatnonzero(first != second)
    )
    right = [int(np.count_nonzero(found == labels)) if known else None for found in (first, second)]
    return Answers(
        snr_db=ratio_db(float(signal.sum()), float(noise.sum())),
        agreement=int(np.count_nonzero(first == second)),
        reference_top1=right[0],
        target_top1=right[1],
        differing=differing,
    )


def _instrumented(logits: Logits) -> Instrumented:
    if logits.failed is not None:
        return Instrumented(-math.inf, 0, logits.failed)
    tally = Tally()
    untouched, shown = np.concatenate(logits.untouched), np.concatenate(logits.instrumented)
    tally.add(untouched, shown, len(untouched), 0)
    return Instrumented(tally.snr_db, int(np.count_nonzero(untouched.argmax(axis=1) == shown.argmax(axis=1))))


def _ratio(tallies: dict[str, Tally], name: str) -> float | None:
    return tallies[name].snr_db if name in tallies else None


def _keeping(seen: Comparison) -> str | None:
    """Which nodes must stay float for a value not to be rounded: see `DiffResult.keeping`."""
    spec, plan = seen.spec, seen.made.plan
    if spec.same_file or not is_quantized(spec.target.precision) or not needs_quantizing(plan.model, spec.target):
        return None
    quantizer = spec.run.quantization.quantizer
    recipe = recipe_for(recipe_of(spec.target), spec.target.precision)
    behind = quantizer == "onnxruntime" or (quantizer == "seatrial" and recipe.quantize_outputs)
    return "around" if behind else "readers"


def _readers(seen: Comparison, layer: Layer) -> tuple[str, ...]:
    """The nodes that read the value as rounded, where that can be told by their names; else all that read it."""
    point = seen.points[1].get(layer.value)
    graph = seen.made.target.model.proto.graph
    reading = {node.name for node in graph.node if point is not None and point.read and point.read in node.input}
    return tuple(name for name in layer.readers if name in reading) or layer.readers
