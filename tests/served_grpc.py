"""A small server of the Open Inference Protocol v2 over gRPC, which answers by ONNX Runtime, and misbehaves as it is
told.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import onnxruntime as ort

from seatrial.engines.kserve.messages import SERVICE, messages

# Takes over the answer to an inference: what was made so far, and gRPC's context -> what is answered.
Fault = Callable[[Any, grpc.ServicerContext], Any]


class Served:
    """fault: of inferences behind the first `calm`. token: that is asked for. infers: so far."""

    def __init__(self, model: Path, token: str | None = None) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = ort.InferenceSession(model.read_bytes(), options, providers=["CPUExecutionProvider"])
        self._messages, self._token = messages(), token
        self.fault: Fault | None = None
        self.calm, self.infers, self.ready = 1, 0, True

    def handlers(self) -> grpc.GenericRpcHandler:
        calls = {
            "ServerMetadata": lambda _: {"name": "tests", "version": "1"},
            "ModelReady": lambda _: {"ready": self.ready},
            "ModelMetadata": lambda _: {"name": "m", "versions": ["1"], "platform": "onnx"},
        }

        def plain(name: str) -> Any:
            return lambda request, context: self._known(
                context, lambda: self._messages[f"{name}Response"](**calls[name](request))
            )

        found = {name: plain(name) for name in calls}
        found["ModelInfer"] = lambda request, context: self._known(context, lambda: self._infer(request, context))
        return grpc.method_handlers_generic_handler(
            SERVICE.strip("/"),
            {
                name: grpc.unary_unary_rpc_method_handler(
                    call,
                    request_deserializer=self._messages[f"{name}Request"].FromString,
                    response_serializer=lambda answer: (
                        answer if isinstance(answer, bytes) else answer.SerializeToString()
                    ),
                )
                for name, call in found.items()
            },
        )

    def _known(self, context: grpc.ServicerContext, answer: Callable[[], Any]) -> Any:
        heard = dict(context.invocation_metadata()).get("authorization")
        if self._token is not None and heard != f"Bearer {self._token}":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, f"not you, {heard}")
        return answer()

    def _infer(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.infers += 1
        (tensor,), (raw,) = request.inputs, request.raw_input_contents
        images = np.frombuffer(raw, np.float32).reshape(list(tensor.shape))
        scores = self._session.run(None, {self._session.get_inputs()[0].name: images})[0]
        made = self._messages["ModelInferResponse"](
            model_name="m",
            model_version="1",
            outputs=[self._messages["Tensor"](name="logits", datatype="FP32", shape=list(scores.shape))],
            raw_output_contents=[scores.astype(np.float32).tobytes()],
        )
        return made if self.fault is None or self.infers <= self.calm else self.fault(made, context)


@contextlib.contextmanager
def serving(
    model: Path, *, tls: grpc.ServerCredentials | None = None, token: str | None = None
) -> Iterator[tuple[str, Served]]:
    """The address of a model that is served meanwhile, and what serves it."""
    served = Served(model, token)
    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.max_send_message_length", -1)])
    server.add_generic_rpc_handlers((served.handlers(),))
    port = server.add_insecure_port("127.0.0.1:0") if tls is None else server.add_secure_port("127.0.0.1:0", tls)
    server.start()
    try:
        yield f"grpc{'s' if tls else ''}://127.0.0.1:{port}/m", served
    finally:
        server.stop(None)
