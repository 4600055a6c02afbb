"""Optional packages: which are installed, by their metadata alone; and modules that two packages claim."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from importlib.metadata import distributions, packages_distributions
from typing import Any

from seatrial.calib.modelopt import INSTALL as INSTALL_MODELOPT
from seatrial.calib.nncf import INSTALL as INSTALL_NNCF
from seatrial.engines import ENGINES
from seatrial.harness.doctor.imports import find_faults


@dataclasses.dataclass(frozen=True)
class Optional:
    """What a feature of seatrial needs beyond its own requirements. needs: names on the package index. modules: what
    it imports of them.
    """

    feature: str
    needs: tuple[str, ...]
    install: str
    modules: tuple[str, ...]


OPTIONAL: tuple[Optional, ...] = (
    Optional(
        "--model file.py:factory, .pt2",
        ("torch", "onnxscript", "onnxslim"),
        "pip install 'seatrial[torch]'",
        ("torch", "onnxscript", "onnxslim"),
    ),
    Optional("--weights *.safetensors", ("safetensors",), "pip install 'seatrial[torch]'", ("safetensors",)),
    Optional("--model timm:NAME", ("timm", "torch"), "pip install 'seatrial[torch,zoo]'", ("timm",)),
    Optional(
        "--model torchvision:NAME", ("torchvision", "torch"), "pip install 'seatrial[torch,zoo]'", ("torchvision",)
    ),
    Optional("export: simplified graphs", ("onnxslim",), "pip install 'seatrial[export]'", ("onnxslim",)),
    Optional("--quantizer onnxruntime", ("onnxruntime",), "pip install 'seatrial[cpu]'", ("onnxruntime",)),
    Optional(
        "--quantizer modelopt",
        ("nvidia-modelopt", "onnx-graphsurgeon", "cppimport", "lief", "nvidia-ml-py", "torch"),
        " && ".join(INSTALL_MODELOPT),
        ("modelopt.onnx.quantization",),
    ),
    Optional("--quantizer nncf, nncf-accuracy", ("nncf", "openvino"), INSTALL_NNCF, ("nncf",)),
    Optional("decoder ffmpeg", ("av",), "pip install 'seatrial[decoders]'", ("av",)),
    Optional("decoders turbojpeg*", ("simplejpeg",), "pip install 'seatrial[decoders]'", ("simplejpeg",)),
    Optional("decoder torchvision", ("torchvision", "torch"), "pip install 'seatrial[torch,zoo]'", ("torchvision",)),
    Optional("decoder dali", ("nvidia-dali-cuda120",), "pip install 'seatrial[dali]'", ("nvidia.dali",)),
    Optional("decoder nvjpeg", ("nvidia-nvimgcodec-cu12",), "pip install 'seatrial[nvjpeg]'", ("nvidia.nvimgcodec",)),
    Optional("clocks, energy of NVIDIA GPUs", ("nvidia-ml-py",), "pip install nvidia-ml-py", ("pynvml",)),
    Optional("filters torch-*", ("torch",), "pip install 'seatrial[torch]'", ("torch",)),
)
# Packages that hold the same: with one of them, the name in `needs` is there.
_SAME = {"onnxruntime": ("onnxruntime", "onnxruntime-gpu"), "torch": ("torch",)}
# Beside the engines' runtimes: OpenCV comes in four packages that overwrite each other.
_MODULES = ("cv2",)


def describe_packages(timeout_s: float, *, importing: bool = True) -> list[dict[str, Any]]:
    """Per feature: `feature`, `usable`, `versions` of what is installed, `missing` names, `broken` (what is installed
    and does not import: module -> why), `install` (the line that gets what is missing, or mends what is broken).

    importing: whether what is installed is imported, in a process of its own that has `timeout_s` seconds.
    """
    versions = _versions()
    found = {one: {name: _version(versions, name) for name in one.needs} for one in OPTIONAL}
    whole = [one for one in OPTIONAL if None not in found[one].values()]
    lines = {module: one.install for one in reversed(whole) for module in one.modules}
    faults = find_faults(lines, timeout_s) if importing else {}
    described = []
    for one in OPTIONAL:
        missing = [name for name, version in found[one].items() if version is None]
        broken = {module: faults[module] for module in one.modules if module in faults and not missing}
        mends = [fault.mend for fault in broken.values() if fault.mend is not None]
        described.append(
            {
                "feature": one.feature,
                "usable": not missing and not broken,
                "versions": {name: version for name, version in found[one].items() if version is not None},
                "missing": missing,
                "broken": {module: fault.says for module, fault in broken.items()},
                "install": mends[0] if mends else one.install,
            }
        )
    return described


def find_duplicates() -> list[str]:
    """One sentence for each runtime's module that several installed packages write."""
    modules = [engine.module.partition(".")[0] for engine in ENGINES.values() if engine.module]
    return duplicates(packages_distributions(), [*modules, *_MODULES])


def duplicates(owners: Mapping[str, Iterable[str]], modules: Iterable[str]) -> list[str]:
    """owners: module -> the packages that hold files of it, as importlib.metadata gives them."""
    found = []
    for module in dict.fromkeys(modules):
        names = sorted(set(owners.get(module, ())))
        if len(names) > 1:
            found.append(
                f"{' and '.join(names)} are installed together, but write the same module {module!r}: which of them "
                f"runs is chance. Keep one: pip uninstall {' '.join(names)}, then install that one again."
            )
    return found


def _versions() -> dict[str, str]:
    return {_canonical(str(found.metadata["Name"])): found.version for found in distributions()}


def _version(versions: Mapping[str, str], name: str) -> str | None:
    return next((versions[same] for same in _SAME.get(name, (name,)) if same in versions), None)


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
