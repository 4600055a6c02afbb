"""Which versions of TensorRT build for DLA, the accelerator beside the GPU of Jetson Orin, and at which precisions."""

from __future__ import annotations

import dataclasses

from seatrial.engines.tensorrt.versions import numbers
from seatrial.errors import UnsupportedError


@dataclasses.dataclass(frozen=True)
class Span:
    """Versions from `first` on, until the next span begins. precisions: that DLA takes from a strongly typed network.
    says: why no others.
    """

    first: tuple[int, ...]
    precisions: tuple[str, ...]
    says: str


# Release notes and support matrices of TensorRT 10.3 to 11.4.1, and of JetPack 6 and 7.2.2.
SPANS = (
    Span((10, 0), ("fp16",), "until 10.7 DLA takes no explicit Q/DQ, and so no int8 of a strongly typed network"),
    Span((10, 8), (), "10.7 was the last version with DLA on JetPack 6; 10.8 to 11.4.0 have none"),
    Span((11, 4, 1), ("fp16", "int8"), "DLA has no other"),
)


def check_dla_version(version: str, precision: str) -> None:
    """UnsupportedError where that version of TensorRT does not build at the precision for DLA."""
    found = [span for span in SPANS if span.first <= numbers(version)]
    if not found:
        raise UnsupportedError(f"TensorRT {version} is older than what seatrial builds for DLA with (10.0).")
    if precision not in found[-1].precisions:
        raise UnsupportedError(
            f"TensorRT {version} does not build {precision} for DLA: {found[-1].says}. Take --device cuda, or on AGX "
            "Orin JetPack 7.2.2 with TensorRT 11.4.1."
        )
