"""A TensorRT runtime whose one engine copies its input to its output, by the CUDA driver; for the stub driver.

It has the methods of the real one that a session calls, with their rules: addresses before a run, shapes within the
profile, nothing but queued work while a stream is captured. Class attributes change what it does.
"""

import enum
import json

import numpy as np
from cuda.bindings import driver

__version__ = "11.4.0"


class ILogger:
    class Severity(enum.Enum):
        INTERNAL_ERROR, ERROR, WARNING = range(3)


class DataType(enum.Enum):
    FLOAT, BF16 = range(2)


class TensorIOMode(enum.Enum):
    NONE, INPUT, OUTPUT = range(3)


class LayerInformationFormat(enum.Enum):
    ONELINE, JSON = range(2)


def nptype(kind):
    return {DataType.FLOAT: np.float32}[kind]


class Context:
    runs = 0
    refuses_capture = False

    def __init__(self, engine):
        self.engine, self.addresses, self.batch = engine, {}, None

    def set_input_shape(self, name, shape):
        least, largest = self.engine.range
        ok = name == "input" and least <= shape[0] <= largest and tuple(shape[1:]) == self.engine.tail
        self.batch = shape[0] if ok else self.batch
        return ok

    def get_tensor_shape(self, name):
        return (self.batch, *self.engine.tail)

    def set_tensor_address(self, name, address):
        self.addresses[name] = address
        return name in ("input", "logits")

    def execute_async_v3(self, stream):
        Context.runs += 1
        if self.refuses_capture and Context.runs == 2:
            self.engine.sink.log(ILogger.Severity.ERROR, "operation not permitted when stream is capturing")
            return False
        size = int(np.prod(self.get_tensor_shape("input"))) * 4
        (code,) = driver.cuMemcpyDtoDAsync(self.addresses["logits"], self.addresses["input"], size, stream)
        assert code == driver.CUresult.CUDA_SUCCESS
        return True


class Inspector:
    execution_context = None

    def get_engine_information(self, kind):
        return f"{kind.name} at {self.execution_context.batch}"


class Engine:
    refittable = False
    num_io_tensors = 2

    def __init__(self, plan, sink):
        told = json.loads(plan)
        self.range, self.tail, self.sink = told["range"], tuple(told["tail"]), sink

    def get_tensor_name(self, index):
        return ("logits", "input")[index]

    def get_tensor_mode(self, name):
        return TensorIOMode.INPUT if name == "input" else TensorIOMode.OUTPUT

    def get_tensor_shape(self, name):
        return (-1, *self.tail)

    def get_tensor_dtype(self, name):
        return DataType.FLOAT

    def create_execution_context(self):
        return Context(self)

    def create_engine_inspector(self):
        return Inspector()


class Runtime:
    def __init__(self, sink):
        self.sink = sink

    def deserialize_cuda_engine(self, plan):
        if plan.startswith(b"{"):
            return Engine(plan, self.sink)
        self.sink.log(ILogger.Severity.ERROR, "magic number does not match")
        return None
