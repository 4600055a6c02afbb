"""The engines `tensorrt` and `tensorrt-rtx`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from seatrial.engines.base import BuildRequest
from seatrial.engines.registry import ENGINES
from seatrial.engines.tensorrt.adapter import TensorRtAdapter
from seatrial.engines.tensorrt.capabilities import check_capability, parse_capability
from seatrial.engines.tensorrt.dialect import Dialect
from seatrial.engines.tensorrt.dla import check_dla_version
from seatrial.engines.tensorrt.gpu import check_dla, dla_core
from seatrial.engines.tensorrt.install import install_line
from seatrial.engines.tensorrt.rtx import Rtx, target
from seatrial.engines.tensorrt.v10 import V10
from seatrial.engines.tensorrt.v11 import V11
from seatrial.engines.tensorrt.versions import numbers
from seatrial.errors import UnsupportedError
from seatrial.files import value_digest

_DIALECTS: dict[int, type[Dialect]] = {10: V10, 11: V11}


@ENGINES.register("tensorrt", "trt")
class TensorRtEngine(TensorRtAdapter):
    """TensorRT 10.x and 11.x: builds on the GPU that the plan is for, where it times its kernels."""

    name: ClassVar[str] = "tensorrt"
    module: ClassVar[str | None] = "tensorrt"
    install: ClassVar[str] = "pip install 'seatrial[trt]'"
    manifest: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "cuda": ("fp32", "fp16", "bf16", "fp8", "int8", "int4"),
        "dla": ("fp16", "int8"),
    }

    @classmethod
    def _dialect(cls) -> Dialect:
        version = str(cls.version())
        kind = _DIALECTS.get(numbers(version)[0])
        if kind is None:
            raise UnsupportedError(
                f"TensorRT {version} is not supported. Install 10.3 or newer: {cls.how_to_install()}"
            )
        return kind()

    @classmethod
    def how_to_install(cls) -> str:
        """By the machine: JetPack brings its own TensorRT, and older drivers take that of CUDA 12."""
        return install_line()

    @classmethod
    def check_support(cls, precision: str, device: str) -> None:
        """As for both; also UnsupportedError where this version does not build for DLA at the precision."""
        cls.check_offered(precision, device)
        if dla_core(device) is not None and cls.is_installed():
            check_dla_version(str(cls.version()), precision)
        super().check_support(precision, device)

    @classmethod
    def check_device(cls, device: str) -> None:
        """As for both; also UnsupportedError where there is no such DLA core."""
        super().check_device(device)
        core = dla_core(device)
        if core is not None:
            trt: Any = cls.runtime()
            check_dla(trt, core)

    @classmethod
    def check_compile(cls, precision: str, device: str, compute_capability: str | None) -> None:
        """UnsupportedError where it cannot build here: it builds for the GPU at hand alone."""
        cls.check_offered(precision, device)
        if compute_capability is not None:
            raise UnsupportedError(
                f"Engine {cls.name!r} builds for the GPU at hand alone: it times kernels on it and has no setting for "
                f"another. Build on a GPU of compute capability {compute_capability}, or with tensorrt-rtx, which "
                "builds for any of its GPUs without one."
            )
        cls.check_support(precision, device)

    @classmethod
    def _timing(cls, request: BuildRequest) -> Path | None:
        if request.cache is None or not request.builder.timing_cache:
            return None
        return request.cache / f"{value_digest({'engine': cls.name, **cls.compiler(request)})}.timing"


@ENGINES.register("tensorrt-rtx", "trt-rtx")
class TensorRtRtxEngine(TensorRtAdapter):
    """TensorRT-RTX: builds without a GPU, for a compute capability that is given; runs on RTX cards."""

    name: ClassVar[str] = "tensorrt-rtx"
    module: ClassVar[str | None] = "tensorrt_rtx"
    install: ClassVar[str] = "pip install 'seatrial[tensorrt-rtx]' 'cuda-python>=12.6'"
    manifest: ClassVar[Mapping[str, tuple[str, ...]]] = {"cuda": ("fp32", "fp16", "bf16", "fp8", "int8", "int4")}

    @classmethod
    def _dialect(cls) -> Dialect:
        return Rtx()

    @classmethod
    def check_compile(cls, precision: str, device: str, compute_capability: str | None) -> None:
        """UnsupportedError where it cannot build: for a given compute capability that needs no GPU."""
        if compute_capability is None:
            cls.check_support(precision, device)
            return
        cls.check_offered(precision, device)
        check_capability(precision, parse_capability(compute_capability), cls.name)
        trt: Any = cls.runtime()
        target(trt, compute_capability)

    @classmethod
    def _timing(cls, request: BuildRequest) -> Path | None:
        return None
