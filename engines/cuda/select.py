"""Which package CUDA is reached through."""

from __future__ import annotations

from engines.cuda.cuda_python import CudaPython
from engines.cuda.interface import Cuda
from engines.cuda.pycuda import PyCuda
from shipcheck.errors import DeviceError, UnsupportedError

INSTALL = "pip install 'cuda-python>=12.6'"


def open_cuda(index: int = 0) -> Cuda:
    """The GPU of that number, through PyCUDA, or through cuda-python where PyCUDA is not installed.

    Raises UnsupportedError that says whether a package, the driver or the GPU is missing.
    """
    missing = []
    for kind in (PyCuda, CudaPython):
        try:
            return kind(index)
        except ImportError as error:
            missing.append(str(error))
        except (DeviceError, RuntimeError) as error:  # cuda-python raises RuntimeError where libcuda is not there
            raise UnsupportedError(
                f"CUDA has no usable GPU {index} on this machine ({str(error).rstrip('.')}). It needs an NVIDIA GPU "
                "and its driver; `nvidia-smi` lists both."
            ) from error
    raise UnsupportedError(f"No Python package for CUDA is installed ({'; '.join(missing)}). Install one: {INSTALL}")
