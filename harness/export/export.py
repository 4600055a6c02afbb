"""`bench.py export`: from any source to one verified ONNX file."""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from seatrial import exporters
from seatrial.cache import cache_root
from seatrial.engines import places
from seatrial.engines.precision import is_quantized
from seatrial.errors import UsageError
from seatrial.exporters import DeployableModel, OnnxSource
from seatrial.exporters.axes import takes_one_image
from seatrial.exporters.batch import with_batch
from seatrial.exporters.contract import embed
from seatrial.exporters.simplify import simplify
from seatrial.files import replacing
from seatrial.harness.alike import Findings, settle
from seatrial.harness.data import Selection, labeller, open_source, select
from seatrial.harness.data.demo import demo_folders
from seatrial.harness.data.labels import read_class_table
from seatrial.harness.export.verify import Executor, OfTwoClasses, Verification, verify
from seatrial.harness.pipeline import ImageStore, spool
from seatrial.harness.plan.load import where_of
from seatrial.harness.plan.request import build_request
from seatrial.harness.progress import Progress
from seatrial.harness.spec.export import ExportSpec
from seatrial.harness.spec.model import DEMO
from seatrial.harness.spec.targets import REFERENCE_ENGINE


@dataclasses.dataclass(frozen=True)
class ExportReport:
    """file: where the model was written. source: the reference that it was compared with. nodes: of the source's graph
    as exported or read, and of the file, by operator. data: name of the images. findings: whether the model answers
    alike.
    """

    file: Path
    source: str
    model: DeployableModel
    nodes: tuple[Counter[str], Counter[str]]
    data: str
    verification: Verification
    findings: Findings = dataclasses.field(default_factory=Findings)

    @property
    def proven(self) -> bool:
        """The file answers like its source, and both answer alike whenever they are asked."""
        return self.verification.same and not self.findings.anomalous

    def to_dict(self) -> dict[str, Any]:
        """JSON values, versioned."""
        parts = self.verification.parts
        return {
            "schema": 1,
            "file": str(self.file),
            "model": {"digest": self.model.digest, "contract": self.model.contract.to_dict()},
            "opset": opset(self.model),
            "alike": self.findings.to_dict(),
            "nodes": {"source": sum(self.nodes[0].values()), "file": sum(self.nodes[1].values())},
            "verified": {
                "against": self.source,
                "data": self.data,
                **{name: value for name, value in vars(self.verification).items() if name != "parts"},
                "same": self.verification.same,
                "parts_at": None if parts is None else dataclasses.asdict(parts),
            },
        }


def export(spec: ExportSpec, progress: Progress) -> ExportReport:
    """Exports, verifies on real images, writes.

    A file that does not answer like its source is not written to `spec.out` but beside it, as NAME.differs.onnx, so
    that nothing ships it unseen. Raises what `exporters.load` raises, and UsageError for an unusable `out`.
    """
    if spec.out.is_dir():
        raise UsageError(f"--out {spec.out} is a folder; name a file.")
    with progress.stage("Exporting", 1, "models") as update:
        update(0, spec.source.model)
        source = exporters.open_source(spec.source.model, spec.source.weights)
        frozen = spec.batch if isinstance(spec.batch, int) else None
        model = exporters.deploy(
            source, contract=spec.source.contract, output=spec.source.output, batch=frozen, simplify=False
        )
        update(1)
    from_onnx = isinstance(source, OnnxSource)
    as_declared = model
    model, findings = settle(model, None, progress)
    # Run one image at a time, or at a batch that the file holds: only the latter stands in the file.
    alone = model.fixed_batch if as_declared.fixed_batch is None and model.proto is as_declared.proto else None
    final = _finished(model if alone is None else as_declared, spec, from_onnx)
    asked = final if final.fixed_batch is not None else dataclasses.replace(final, fixed_batch=alone)
    with contextlib.ExitStack() as stack:
        images, labels, data = _images(spec, final, progress, stack)
        exported = stack.enter_context(places.build(REFERENCE_ENGINE, build_request(asked)))
        if not isinstance(source, OnnxSource):
            source.batch = source.batch or alone
        reference: Executor = (
            stack.enter_context(places.build(REFERENCE_ENGINE, build_request(model, optimization="disable")))
            if isinstance(source, OnnxSource)
            else OfTwoClasses(source, model.scores)
            if model.binary
            else source
        )
        with progress.stage("Comparing with the source", len(images)) as update:
            verification = verify(reference, exported, images, model.contract, labels, progress=update)
    file = (
        spec.out
        if verification.same and not findings.anomalous
        else spec.out.with_name(f"{spec.out.stem}.differs.onnx")
    )
    with replacing(file) as temporary:
        temporary.write_bytes(final.onnx_bytes)
    nodes = tuple(Counter(node.op_type for node in one.proto.graph.node) for one in (model, final))
    words = "the file, executed node by node" if from_onnx else "the PyTorch module"
    return ExportReport(file, words, final, (nodes[0], nodes[1]), data, verification, findings)


def opset(model: DeployableModel) -> int:
    """The version of the standard operator set."""
    return next(entry.version for entry in model.proto.opset_import if entry.domain in ("", "ai.onnx"))


def _finished(model: DeployableModel, spec: ExportSpec, from_onnx: bool) -> DeployableModel:
    names = model.class_names
    if spec.source.classes is not None:
        names = read_class_table(spec.source.classes, model.classes).names
    proto, batch = model.proto, model.fixed_batch
    if from_onnx and spec.batch is not None:
        batch = spec.batch if isinstance(spec.batch, int) else None
        if batch != 1 and takes_one_image(proto.graph, model.input_name):
            raise UsageError(
                f"--batch {spec.batch}: {model.name} computes one image at a time, without a batch axis. Leave --batch "
                "out, or export the model again with a batch axis."
            )
        proto = with_batch(proto, batch)
    if spec.simplify and not is_quantized(model.precision):  # Q/DQ nodes are what the file is about: none is folded
        proto = simplify(proto)
    final = onnx.ModelProto()
    final.CopyFrom(proto)
    embed(final, model.contract, names or ())
    return dataclasses.replace(model, proto=final, class_names=names, fixed_batch=batch)


def _unlabelled(folders: Sequence[str]) -> dict[str, int]:
    return dict.fromkeys(folders, 0)


def _images(
    spec: ExportSpec, model: DeployableModel, progress: Progress, stack: contextlib.ExitStack
) -> tuple[ImageStore, npt.NDArray[np.int64] | None, str]:
    demo = spec.images.data in (None, DEMO)
    path: Path | str
    if demo:
        path = demo_folders(cache_root(), progress)[0]
        contract = (
            model.contract if model.contract.resize != "none" else dataclasses.replace(model.contract, resize="exact")
        )
        source = open_source(path, model.classes, _unlabelled)
    else:
        path, contract = where_of(str(spec.images.data)), model.contract
        source = open_source(path, model.classes, labeller(model.classes, model.class_names, spec.source.classes))
    selection: Selection = select(source, seed=spec.seed, limit=spec.images.limit)
    with progress.stage("Decoding images", len(selection)) as update:
        store = spool(selection, contract, folder=cache_root() / "scratch", workers=spec.work.workers, progress=update)
    stack.enter_context(store)
    return store, None if demo else selection.labels, "the demo's images" if demo else source.name
