"""The flags of engines with a builder: BuilderOptions."""

from __future__ import annotations

import argparse

from seatrial.engines.builder_options import BuilderOptions
from seatrial.harness.command.flags.parser import Given, replaced

_FIELDS = {
    "max_batch": "max_batch",
    "builder_level": "level",
    "workspace_mib": "workspace_mib",
    "version_compatible": "version_compatible",
    "hardware_compatible": "hardware_compatible",
    "compute_capability": "compute_capability",
    "timing_cache": "timing_cache",
    "cuda_graph": "cuda_graph",
}


def add(parser: argparse.ArgumentParser) -> None:
    """What only engines with a builder look at."""
    group = parser.add_argument_group("builder", "of TensorRT, also as a provider of ONNX Runtime")
    group.add_argument("--max-batch", type=int, metavar="N", help="largest batch that engines take (default: 64)")
    group.add_argument("--builder-level", type=int, metavar="N", help="optimisation level, 0 to 5")
    group.add_argument("--workspace-mib", type=int, metavar="N", help="limit of a layer's scratch memory")
    group.add_argument("--no-timing-cache", dest="timing_cache", action="store_false", help="measure all kernels anew")
    group.add_argument("--version-compatible", action="store_true", help="plans that later versions load")
    group.add_argument("--hardware-compatible", action="store_true", help="plans that other GPUs load")
    group.add_argument(
        "--no-cuda-graph", dest="cuda_graph", action="store_false", help="enqueue single queries, replay none"
    )


def take(given: Given, base: BuilderOptions) -> BuilderOptions:
    """The part."""
    return replaced(base, given, _FIELDS)
