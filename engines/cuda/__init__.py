"""The little of CUDA that an engine with its own buffers needs, through PyCUDA or cuda-python."""

from __future__ import annotations

from seatrial.engines.cuda.driver_api import INSTALL
from seatrial.engines.cuda.interface import Cuda, DeviceInfo
from seatrial.engines.cuda.select import open_cuda

__all__ = ["INSTALL", "Cuda", "DeviceInfo", "open_cuda"]
