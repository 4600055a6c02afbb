"""Makes PyPI's torchvision, which is built for CUDA, importable beside a PyTorch for the CPU, its decoders included.

Its image library names two of PyTorch's CUDA libraries and a few functions of theirs; stand-ins of these names, which
end the process if they are ever called, let the loader resolve them. What then runs on the CPU is torchvision's own
code. To be called before torchvision is first imported.
"""

import ctypes
import functools
import importlib.util
import subprocess
import tempfile
from pathlib import Path

# torchvision's detection operators, which it declares in the other library, the one that needs CUDA itself.
_OPERATORS = ("nms", "qnms", *(f"{kind}{name}" for name in ("roi_align", "roi_pool") for kind in ("", "q", "ps_")))
_BACKWARD = ("roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool", "deform_conv2d")
_kept = []


@functools.cache
def make_importable():
    """Builds and loads the stand-ins, with the C compiler and nm, where this PyTorch needs them; once."""
    found = importlib.util.find_spec("torchvision")
    if found is None:
        return
    import torch

    if torch.backends.cuda.is_built():
        return
    (package,) = found.submodule_search_locations
    symbols = subprocess.run(
        ["nm", "-D", "--undefined-only", Path(package) / "image.so"], check=True, capture_output=True, text=True
    ).stdout.split()
    missing = sorted({symbol for symbol in symbols if symbol.startswith(("_ZN3c104cuda", "_ZNK3c104cuda"))})
    data = [symbol for symbol in missing if symbol.endswith("9allocatorE")]
    source = "".join(
        f"void *{symbol}[1];\n" if symbol in data else f"void {symbol}(void) {{ __builtin_trap(); }}\n"
        for symbol in missing
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (("libc10_cuda.so", source), ("libtorch_cuda.so", "")):
            built = Path(folder) / name
            command = ["cc", "-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", built, "-x", "c", "-"]
            subprocess.run(command, input=text, check=True, text=True)
            ctypes.CDLL(str(built), mode=ctypes.RTLD_GLOBAL)
    library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in (*_OPERATORS, "deform_conv2d", *(f"_{name}_backward" for name in _BACKWARD)):
        library.define(f"{operator}(Tensor x) -> Tensor")
    _kept.append(library)
