"""A model class of MLServer's that answers by ONNX Runtime; it runs in the environment of `make mlserver`."""

import numpy as np
import onnxruntime as ort
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class OnnxModel(MLModel):
    """Serves the file that the settings name as `uri`."""

    async def load(self) -> bool:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        path = self.settings.parameters.uri
        self._session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        (given,) = payload.inputs
        images = np.ascontiguousarray(NumpyCodec.decode_input(given))
        (scores,) = self._session.run(None, {self._session.get_inputs()[0].name: images})
        output = NumpyCodec.encode_output(self._session.get_outputs()[0].name, scores)
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=[output])
