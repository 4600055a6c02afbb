"""The messages of the protocol over gRPC, as far as they are used: names, numbers and types from grpc_service.proto
(https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/open_inference_grpc.proto; of
Triton's extensions, https://github.com/triton-inference-server/common/blob/main/protobuf/grpc_service.proto).

A client library would bring them. tritonclient 2.73 wants an older protobuf than onnx is tested with here.
"""

from __future__ import annotations

import functools
from typing import Any

_PACKAGE = "inference"
SERVICE = "/inference.GRPCInferenceService/"
# Message -> its fields: number, name, type; `*` before a type that is repeated. A type that is no word of protobuf's is
# a message. What is not named here is passed over when it is read.
_MESSAGES: dict[str, tuple[tuple[int, str, str], ...]] = {
    "ServerMetadataRequest": (),
    "ServerMetadataResponse": ((1, "name", "string"), (2, "version", "string"), (3, "extensions", "*string")),
    "ModelReadyRequest": ((1, "name", "string"), (2, "version", "string")),
    "ModelReadyResponse": ((1, "ready", "bool"),),
    "ModelMetadataRequest": ((1, "name", "string"), (2, "version", "string")),
    "TensorMetadata": ((1, "name", "string"), (2, "datatype", "string"), (3, "shape", "*int64")),
    "ModelMetadataResponse": (
        (1, "name", "string"),
        (2, "versions", "*string"),
        (3, "platform", "string"),
        (4, "inputs", "*TensorMetadata"),
        (5, "outputs", "*TensorMetadata"),
    ),
    "InferTensorContents": ((6, "fp32_contents", "*float"), (7, "fp64_contents", "*double")),
    "Tensor": (
        (1, "name", "string"),
        (2, "datatype", "string"),
        (3, "shape", "*int64"),
        (5, "contents", "InferTensorContents"),
    ),
    "InferRequestedOutputTensor": ((1, "name", "string"),),
    "ModelInferRequest": (
        (1, "model_name", "string"),
        (2, "model_version", "string"),
        (5, "inputs", "*Tensor"),
        (6, "outputs", "*InferRequestedOutputTensor"),
        (7, "raw_input_contents", "*bytes"),
    ),
    "ModelInferResponse": (
        (1, "model_name", "string"),
        (2, "model_version", "string"),
        (5, "outputs", "*Tensor"),
        (6, "raw_output_contents", "*bytes"),
    ),
    "ModelConfigRequest": ((1, "name", "string"), (2, "version", "string")),
    "ModelConfig": (
        (1, "name", "string"),
        (2, "platform", "string"),
        (4, "max_batch_size", "int32"),
        (8, "default_model_filename", "string"),
        (17, "backend", "string"),
    ),
    "ModelConfigResponse": ((1, "config", "ModelConfig"),),
    "ModelStatisticsRequest": ((1, "name", "string"), (2, "version", "string")),
    "StatisticDuration": ((1, "count", "uint64"), (2, "ns", "uint64")),
    "InferStatistics": (
        (1, "success", "StatisticDuration"),
        (3, "queue", "StatisticDuration"),
        (4, "compute_input", "StatisticDuration"),
        (5, "compute_infer", "StatisticDuration"),
        (6, "compute_output", "StatisticDuration"),
    ),
    "ModelStatistics": ((1, "name", "string"), (2, "version", "string"), (6, "inference_stats", "InferStatistics")),
    "ModelStatisticsResponse": ((1, "model_stats", "*ModelStatistics"),),
}


@functools.cache
def messages() -> dict[str, Any]:
    """Name of a message -> its class. ImportError without protobuf."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    kinds: Any = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="open_inference.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, field, spelled in fields:
            kind = spelled.lstrip("*")
            label = kinds.LABEL_REPEATED if spelled.startswith("*") else kinds.LABEL_OPTIONAL
            if kind in _MESSAGES:
                message.field.add(
                    name=field, number=number, label=label, type=kinds.TYPE_MESSAGE, type_name=f".{_PACKAGE}.{kind}"
                )
            else:
                message.field.add(name=field, number=number, label=label, type=getattr(kinds, f"TYPE_{kind.upper()}"))
    pool = descriptor_pool.DescriptorPool()  # of its own: another library may know the same names
    pool.AddSerializedFile(file.SerializeToString())
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _MESSAGES
    }
