"""The protocol over gRPC, with limits of our own."""

from __future__ import annotations

import contextlib
import json
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from seatrial.engines.kserve.client import MOST_WORDS, QUERY_S, Answer, Client, Query, chosen, scores_of
from seatrial.engines.kserve.credentials import Credentials, read
from seatrial.engines.kserve.endpoint import Endpoint
from seatrial.engines.kserve.fit import SCORES
from seatrial.engines.kserve.messages import SERVICE, messages
from seatrial.engines.kserve.retries import UnavailableError
from seatrial.errors import DeviceError
from seatrial.packages import need

INSTALL = "pip install 'seatrial[kserve]'"
# No answer of a classifier is larger; how large each may be is looked at besides.
_MOST_MESSAGE = 64 << 20
_OPTIONS = (
    ("grpc.max_receive_message_length", _MOST_MESSAGE),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_retries", 0),  # ours are counted
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),  # else another channel to the same address shares its connection
)
_CALLS = ("ServerMetadata", "ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics", "ModelInfer")
_LATER = ("UNAVAILABLE", "DEADLINE_EXCEEDED")
_NO_SUCH = ("UNIMPLEMENTED", "NOT_FOUND", "INVALID_ARGUMENT")
_TYPED = {"FP32": "fp32_contents", "FP64": "fp64_contents"}


class GrpcClient(Client):
    """One channel for all threads. PackageError where grpcio is missing."""

    def __init__(self, endpoint: Endpoint, credentials: Credentials) -> None:
        super().__init__(endpoint, credentials)
        self.data = "binary"
        self._grpc = cast("Any", need("grpc", "Asking over gRPC", INSTALL))
        self._json = cast("Any", need("google.protobuf.json_format", "Asking over gRPC", INSTALL))
        self._messages = messages()
        self._open()
        self._named = {"name": self.address.model, "version": self.address.version or ""}

    def check_ready(self) -> None:
        """As `Client.check_ready`."""
        if not self._ask("ModelReady", self._messages["ModelReadyRequest"](**self._named)).ready:
            raise DeviceError(f"{self.where} is not ready.")

    def described(self) -> tuple[Any, Any, Any]:
        """As `Client.described`."""
        server = self._ask("ServerMetadata", self._messages["ServerMetadataRequest"]())
        model = self._ask("ModelMetadata", self._messages["ModelMetadataRequest"](**self._named))
        config = self._extension("ModelConfig", self._messages["ModelConfigRequest"](**self._named))
        return self._values(server), self._values(model), None if config is None else self._values(config.config)

    def statistics(self) -> Any:
        """As `Client.statistics`."""
        found = self._extension("ModelStatistics", self._messages["ModelStatisticsRequest"](**self._named))
        return None if found is None else self._values(found)

    def infer(self, query: Query) -> Answer:
        """As `Client.infer`."""
        tensor = self._messages["Tensor"](name=query.input, datatype=query.datatype, shape=list(query.images.shape))
        wanted = self._messages["InferRequestedOutputTensor"]
        request = self._messages["ModelInferRequest"](
            model_name=self.address.model,
            model_version=self.address.version or "",
            inputs=[tensor],
            outputs=[] if query.output is None else [wanted(name=query.output)],
            raw_input_contents=[np.ascontiguousarray(query.images).tobytes()],
        )
        answer = self._ask("ModelInfer", request)
        if answer.ByteSize() > query.most_bytes:
            raise DeviceError(
                f"The server answers with {answer.ByteSize()} bytes; at most {query.most_bytes} can be one."
            )
        outputs = list(answer.outputs)
        place = chosen([one.name for one in outputs], query.output)
        tensor, shape = outputs[place], [int(extent) for extent in outputs[place].shape]
        if answer.raw_output_contents:
            if len(answer.raw_output_contents) != len(outputs):
                raise DeviceError("The server answered with outputs that are not there.")
            scores = scores_of(answer.raw_output_contents[place], tensor.datatype, shape)
        else:
            scores = _typed(tensor, shape)
        return Answer(scores, answer.model_name, answer.model_version)

    def connect_anew(self) -> None:
        """As `Client.connect_anew`."""
        self.close()
        self._open()

    def close(self) -> None:
        """As `Client.close`."""
        with contextlib.suppress(Exception):  # one that is closed
            self._channel.close()

    def _open(self) -> None:
        address, files = self.address, self.credentials
        if not address.encrypted:
            self._channel = self._grpc.insecure_channel(address.authority, options=_OPTIONS)
        else:
            trusted = None if files.ca is None else read(files.ca, "CA_FILE")
            own = None if files.certificate is None else read(files.certificate, "CERT_FILE")
            key = own if files.key is None else read(files.key, "KEY_FILE")
            secure = self._grpc.ssl_channel_credentials(trusted, key if own else None, own)
            self._channel = self._grpc.secure_channel(address.authority, secure, options=_OPTIONS)
        self._calls = {
            name: self._channel.unary_unary(
                SERVICE + name,
                request_serializer=self._messages[f"{name}Request"].SerializeToString,
                response_deserializer=self._messages[f"{name}Response"].FromString,
            )
            for name in _CALLS
        }

    def _ask(self, name: str, request: Any) -> Any:
        token = self.credentials.bearer()
        metadata = [] if token is None else [("authorization", f"Bearer {token}")]
        try:
            return self._calls[name](request, timeout=QUERY_S, metadata=metadata)
        except self._grpc.RpcError as error:
            code, says = error.code().name, self.said(f"{error.code().name}: {error.details()}")
            if code in _LATER:
                raise UnavailableError(says) from error
            if code in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
                raise DeviceError(
                    f"{self.where} refuses who asks ({says}). A token is given by SEATRIAL_KSERVE_TOKEN or "
                    "SEATRIAL_KSERVE_TOKEN_FILE, a certificate by SEATRIAL_KSERVE_CERT_FILE and "
                    "SEATRIAL_KSERVE_KEY_FILE."
                ) from error
            raise CodeError(f"{self.where} answered {says}.", code) from error

    def _extension(self, name: str, request: Any) -> Any:
        try:
            return self._ask(name, request)
        except CodeError as error:
            if error.code in _NO_SUCH:
                return None
            raise

    def _values(self, message: Any) -> Any:
        if message.ByteSize() > MOST_WORDS:
            raise DeviceError(f"The server tells {message.ByteSize()} bytes of itself; at most {MOST_WORDS} are read.")
        text = self._json.MessageToJson(message, preserving_proto_field_name=True)
        return json.loads(self.credentials.redacted(text))


class CodeError(DeviceError):
    """A status of gRPC that is no success; `code`."""

    def __init__(self, says: str, code: str) -> None:
        super().__init__(says)
        self.code = code


def _typed(tensor: Any, shape: list[int]) -> npt.NDArray[Any]:
    """Of servers that send no raw bytes."""
    if tensor.datatype not in _TYPED:
        raise DeviceError(f"The server answered {str(tensor.datatype)[:40]}, which are no scores.")
    found = np.array(getattr(tensor.contents, _TYPED[tensor.datatype]), SCORES[tensor.datatype])
    return scores_of(found.tobytes(), tensor.datatype, shape)
