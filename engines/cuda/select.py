"""Which package CUDA is reached through."""

from __future__ import annotations

from seatrial.engines.cuda.cuda_python import CudaPython
from seatrial.engines.cuda.driver_api import INSTALL
from seatrial.engines.cuda.interface import Cuda
from seatrial.engines.cuda.pycuda import PyCuda
from seatrial.errors import DeviceError, UnsupportedError


def open_cuda(index: int = 0) -> Cuda:
    """The GPU of that number, through PyCUDA, or through cuda-python where PyCUDA is not installed.

    Raises UnsupportedError that says whether a package, the driver or the GPU is missing.
    """
    missing, failed = [], []
    newer: UnsupportedError | None = None
    for kind in (PyCuda, CudaPython):
        try:
            return kind(index)
        except ModuleNotFoundError as error:
            missing.append(str(error))
        except UnsupportedError as error:  # a package newer than the driver
            newer = error
        except (ImportError, DeviceError, RuntimeError) as error:  # the last two where libcuda or the GPU is not there
            failed.append(f"{kind.library}: {str(error).rstrip('.')}")
    if newer is not None:
        raise newer
    if failed:
        raise UnsupportedError(
            f"CUDA has no usable GPU {index} on this machine ({'; '.join(failed)}). It needs an NVIDIA GPU and its "
            "driver; `nvidia-smi` lists both."
        )
    raise UnsupportedError(f"No Python package for CUDA is installed ({'; '.join(missing)}). Install one: {INSTALL}")
