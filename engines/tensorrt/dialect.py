"""What TensorRT 10.x, 11.x and TensorRT-RTX do differently."""

from __future__ import annotations

import abc
from pathlib import Path

from seatrial.engines.base import BuildRequest
from seatrial.engines.tensorrt.bindings import Bindings


class Dialect(abc.ABC):
    """One version's ways; the code of each calls only what that version has."""

    @abc.abstractmethod
    def creation_flags(self, trt: Bindings) -> int:
        """Flags with which a strongly typed network is created: its types are those of the file."""

    @abc.abstractmethod
    def configure(
        self,
        trt: Bindings,
        config: Bindings.IBuilderConfig,
        network: Bindings.INetworkDefinition,
        request: BuildRequest,
        timing: Path | None,
    ) -> None:
        """Sets what only this version has. timing: file of the timing cache, None without one."""

    @abc.abstractmethod
    def keep(self, trt: Bindings, config: Bindings.IBuilderConfig, timing: Path | None) -> None:
        """Keeps what the build has measured."""

    @abc.abstractmethod
    def create_context(self, trt: Bindings, engine: Bindings.ICudaEngine) -> Bindings.IExecutionContext | None:
        """Something to run a loaded plan with; None where TensorRT refuses."""

    @abc.abstractmethod
    def capturable(self, context: Bindings.IExecutionContext, stream: int) -> bool:
        """Whether what the context queues can be captured in a CUDA graph, as far as the runtime tells."""
