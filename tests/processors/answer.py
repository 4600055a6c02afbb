"""Run by the tests under several processors: what engines answer to files. answer.py QUESTIONS.json ANSWERS.npz

Questions: {"name": {"file", "engine", "precision", "images", "session"}}; session "ours" builds as a run does, "plain"
as a user's own two lines do. Answers: logits by name, the processor's features under "features".
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from seatrial import engines, exporters
from seatrial.engines.cpu import processor


def ours(file: Path, engine: str, precision: str, images: np.ndarray) -> np.ndarray:
    """Logits as a run gets them."""
    model = exporters.load(str(file))
    request = engines.BuildRequest(
        model.onnx_bytes, model.input_name, model.output_name, model.contract.tensor_shape, model.classes, precision
    )
    with engines.build(engine, request) as built:
        return np.concatenate([built.infer(images[i : i + 1]) for i in range(len(images))])


def plain(file: Path, engine: str, precision: str, images: np.ndarray) -> np.ndarray:
    """Logits of a default session."""
    if engine == "onnxruntime":
        import onnxruntime

        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return np.concatenate([session.run(None, {name: images[i : i + 1]})[0] for i in range(len(images))])
    import openvino

    model = openvino.Core().read_model(file)
    model.reshape([1, *images.shape[1:]])
    compiled = openvino.Core().compile_model(model, "CPU")
    return np.concatenate([compiled(images[i : i + 1])[0].copy() for i in range(len(images))])


def main(questions: Path, answers: Path) -> None:
    """Answers every question."""
    sessions = {"ours": ours, "plain": plain}
    found = {"features": np.array(sorted(processor().features), dtype=str)}
    for name, asked in json.loads(questions.read_text()).items():
        images = np.load(asked["images"])
        found[name] = sessions[asked["session"]](Path(asked["file"]), asked["engine"], asked["precision"], images)
    np.savez(answers, **found)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
