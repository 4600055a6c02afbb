"""A model of Triton's backend of Python that answers by ONNX Runtime, which is installed in `packages` beside it."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "packages"))

import onnxruntime as ort  # noqa: E402
import triton_python_backend_utils as triton  # noqa: E402


class TritonPythonModel:
    """As Triton names it."""

    def initialize(self, args: dict[str, str]) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        file = str(HERE / "model.onnx")
        self._session = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def execute(self, requests: list) -> list:
        found = []
        for request in requests:
            images = triton.get_input_tensor_by_name(request, "input").as_numpy()
            (scores,) = self._session.run(None, {"input": images})
            found.append(triton.InferenceResponse([triton.Tensor("logits", scores)]))
        return found
