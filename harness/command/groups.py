"""Flags that several commands share, and what they mean. Flags are a contract: scripts and CI of users hang on them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from seatrial import __version__
from seatrial.calib.options import INT4_METHODS, QUANTIZERS, RANGES, QuantizeOptions
from seatrial.engines.builder_options import BuilderOptions
from seatrial.engines.places import Limits
from seatrial.errors import UsageError
from seatrial.exporters import ContractOptions
from seatrial.exporters.contract import CROP_OFFSETS, DECODERS, INTERPOLATIONS, ORIENTATIONS
from seatrial.exporters.presets import PRESETS
from seatrial.harness.spec.attacks import AttackOptions


class Parser(argparse.ArgumentParser):
    """An argument parser that raises UsageError, and sets only what is given: specs know the defaults."""

    def __init__(self, command: str, description: str, epilog: str) -> None:
        super().__init__(
            prog=f"bench.py {command}",
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,  # an abbreviation would change its meaning with the next flag that is added
            argument_default=argparse.SUPPRESS,
        )
        self.add_argument("--version", action="version", version=f"seatrial {__version__}")
        self.add_argument(
            "--config", type=Path, metavar="FILE", help="all flags as YAML (flag: value); flags override it"
        )

    def error(self, message: str) -> NoReturn:
        """UsageError in place of argparse's exit."""
        raise UsageError(f"{message}. See `{self.prog} --help`.")


def add_model_flags(group: argparse._ArgumentGroup) -> None:
    """--model, --weights, --output."""
    group.add_argument(
        "--model",
        metavar="M",
        help="an ONNX file, file.py:factory, a .pt2 file, timm:NAME or torchvision:NAME (default: the demo network)",
    )
    group.add_argument(
        "--weights", type=Path, metavar="FILE", help="state dict for the factory's module: .pt, .pth or .safetensors"
    )
    group.add_argument("--output", metavar="NAME", help="which of several outputs holds the logits")


def add_classes_flag(group: argparse._ArgumentGroup) -> None:
    """--classes."""
    group.add_argument(
        "--classes", type=Path, metavar="FILE", help="class names in order: index,synset,name CSV or one a line"
    )


def add_contract_flags(parser: argparse.ArgumentParser) -> None:
    """The input contract's flags."""
    group = parser.add_argument_group("input contract", "how an image becomes the input, where the model does not say")
    group.add_argument("--preset", metavar="NAME", help=", ".join(PRESETS))
    group.add_argument("--size", metavar="S", help="the model's input: N or HxW; alone: straight to that size")
    group.add_argument(
        "--resize",
        metavar="R",
        help="N: short side to N px, then --crop; HxW or exact: both sides (NxN with --crop: then cropped); letterbox: "
        "to fit, padded; none",
    )
    group.add_argument("--crop", metavar="S", help="centre crop after --resize N: N or HxW")
    group.add_argument(
        "--crop-offset", metavar="NAME", help=f"half a pixel of the crop's offset: {', '.join(CROP_OFFSETS)}"
    )
    group.add_argument("--pad-value", type=int, metavar="N", help="grey of a letterbox, 0 to 255 (114, unless given)")
    group.add_argument("--interpolation", metavar="NAME", help=f"of the resize: {', '.join(INTERPOLATIONS)}")
    group.add_argument("--decoder", metavar="NAME", help=f"of encoded images: {', '.join(DECODERS)}")
    group.add_argument("--orientation", metavar="NAME", help=f"EXIF's, of encoded images: {', '.join(ORIENTATIONS)}")
    group.add_argument("--divisor", type=float, metavar="X", help="what pixels are divided by (255, unless given)")
    group.add_argument("--mean", nargs="+", metavar="X", help="per channel, after the division: three numbers, or one")
    group.add_argument("--std", nargs="+", metavar="X", help="likewise")
    group.add_argument("--color", metavar="ORDER", help="rgb or bgr, as the model expects it; gray for one channel")


def add_builder_flags(parser: argparse.ArgumentParser) -> None:
    """What only engines with a builder look at."""
    group = parser.add_argument_group("builder", "of TensorRT, also as a provider of ONNX Runtime")
    group.add_argument("--max-batch", type=int, metavar="N", help="largest batch that engines take (default: 64)")
    group.add_argument("--builder-level", type=int, metavar="N", help="optimisation level, 0 to 5")
    group.add_argument("--workspace-mib", type=int, metavar="N", help="limit of a layer's scratch memory")
    group.add_argument("--no-timing-cache", action="store_true", help="measure all kernels anew")
    group.add_argument("--version-compatible", action="store_true", help="plans that later versions load")
    group.add_argument("--hardware-compatible", action="store_true", help="plans that other GPUs load")
    group.add_argument("--no-cuda-graph", action="store_true", help="enqueue single queries instead of replaying them")


def take_builder(given: dict[str, Any]) -> BuilderOptions:
    """Takes the builder's flags out of `given`; UsageError for numbers that none can be."""
    options = BuilderOptions(
        max_batch=given.pop("max_batch", 64),
        level=given.pop("builder_level", None),
        workspace_mib=given.pop("workspace_mib", None),
        timing_cache=not given.pop("no_timing_cache", False),
        version_compatible=given.pop("version_compatible", False),
        hardware_compatible=given.pop("hardware_compatible", False),
        cuda_graph=not given.pop("no_cuda_graph", False),
        compute_capability=given.pop("compute_capability", None),
    )
    if options.max_batch < 1:
        raise UsageError(f"--max-batch is {options.max_batch}; it must be at least 1.")
    if options.level is not None and not 0 <= options.level <= 5:
        raise UsageError(f"--builder-level is {options.level}; it must be from 0 to 5.")
    if options.workspace_mib is not None and options.workspace_mib < 1:
        raise UsageError(f"--workspace-mib is {options.workspace_mib}; it must be at least 1.")
    capability = options.compute_capability
    if capability is not None and re.fullmatch("[1-9][0-9]?[.][0-9]", capability) is None:
        raise UsageError(f"--compute-capability {capability!r} is none: it looks like 8.9.")
    return options


def add_limit_flags(parser: argparse.ArgumentParser) -> None:
    """How long and how large an engine's process may be."""
    group = parser.add_argument_group(
        "limits", "of each engine's own process; a target beyond them ends, the run goes on"
    )
    group.add_argument("--build-timeout", type=float, metavar="S", help="seconds for a build (default: 3600)")
    group.add_argument("--timeout", type=float, metavar="S", help="seconds for one batch (default: 300)")
    group.add_argument(
        "--memory-limit", type=float, metavar="GIB", help="resident memory (default: 80 %% of the machine's)"
    )


def take_limits(given: dict[str, Any]) -> Limits:
    """Takes the limits out of `given`; UsageError for what is not above zero."""
    for name in ("build_timeout", "timeout", "memory_limit"):
        if name in given and not 0 < given[name] < float("inf"):
            raise UsageError(f"--{name.replace('_', '-')} is {given[name]:g}; it must be above 0.")
    limits, memory = Limits(), given.pop("memory_limit", None)
    return Limits(
        build_s=given.pop("build_timeout", limits.build_s),
        call_s=given.pop("timeout", limits.call_s),
        memory_bytes=None if memory is None else int(memory * (1 << 30)),
    )


def add_attack_flags(parser: argparse.ArgumentParser) -> None:
    """How adversarial images are made."""
    group = parser.add_argument_group("attacks", "how adversarial images are made; which ones, --conditions says")
    group.add_argument(
        "--surrogate",
        action="append",
        metavar="[NAME=]MODEL",
        help="repeatable; another network to make them on, as in attack/pgd-linf@2+NAME",
    )
    group.add_argument("--restarts", type=int, metavar="N", help="random starts of iterated attacks (default: 1)")
    group.add_argument("--queries", type=int, metavar="N", help="of black-box attacks, for each image (default: 1000)")
    group.add_argument("--attack-device", metavar="NAME", help="of the gradients: cpu or cuda:N (default: cpu)")


def take_attacks(given: dict[str, Any]) -> AttackOptions:
    """Takes the attacks' flags out of `given`; UsageError for what none can be."""
    options = AttackOptions()
    return AttackOptions(
        surrogates=tuple(given.pop("surrogate", ())),
        restarts=given.pop("restarts", options.restarts),
        queries=given.pop("queries", options.queries),
        device=given.pop("attack_device", options.device),
    )


def add_quantization_flags(parser: argparse.ArgumentParser) -> None:
    """How quantized files are made."""
    group = parser.add_argument_group("quantization", "how the files of quantized targets are made")
    group.add_argument("--quantizer", metavar="NAME", help=f"{', '.join(QUANTIZERS)} (default: seatrial)")
    group.add_argument(
        "--ranges", metavar="NAME", help=f"of activations, from histograms: {', '.join(RANGES)} (default: minmax)"
    )
    group.add_argument("--percentile", type=float, metavar="P", help="for --ranges percentile (default: 99.99)")
    group.add_argument("--equalize", action="store_true", help="cross-layer equalisation of weights before")
    group.add_argument("--bias-correction", action="store_true", help="correct the mean error of outputs afterwards")
    group.add_argument("--keep-float", action="append", metavar="NODE", help="repeatable; a node that stays float")
    group.add_argument(
        "--keep-float-below-db",
        type=float,
        metavar="DB",
        help="nodes whose quantization alone leaves less signal to noise than this stay float",
    )
    group.add_argument(
        "--portable", action="store_true", help="int8 files for all processors (default: for that of this machine)"
    )
    group.add_argument("--int4-method", metavar="NAME", help=f"{', '.join(INT4_METHODS)} (default: gptq)")
    group.add_argument(
        "--calib-seed", type=int, metavar="N", help="which calibration images --calib-limit takes (default: --seed)"
    )
    group.add_argument(
        "--calib-condition", metavar="ID", help="degrade the calibration images, as in corruption/jpeg_compression@3"
    )


_QUANTIZATION = (
    "quantizer",
    "ranges",
    "percentile",
    "equalize",
    "bias_correction",
    "keep_float_below_db",
    "int4_method",
    "portable",
)


def take_quantization(given: dict[str, Any]) -> QuantizeOptions:
    """Takes the quantization flags, but for the condition, out of `given`; UsageError for unknown names."""
    chosen = {name: given.pop(name) for name in _QUANTIZATION if name in given}
    return QuantizeOptions(keep_float=tuple(given.pop("keep_float", ())), **chosen)


def take_contract(given: dict[str, Any]) -> ContractOptions:
    """Takes the contract's flags out of `given`; UsageError for what is no size or number."""
    return ContractOptions(
        preset=given.pop("preset", None),
        size=_size("--size", given.pop("size", None)),
        resize=_resize(given.pop("resize", None)),
        crop=_size("--crop", given.pop("crop", None)),
        interpolation=given.pop("interpolation", None),
        decoder=given.pop("decoder", None),
        divisor=given.pop("divisor", None),
        mean=_triple("--mean", given.pop("mean", None)),
        std=_triple("--std", given.pop("std", None)),
        color=given.pop("color", None),
        crop_offset=given.pop("crop_offset", None),
        pad_value=given.pop("pad_value", None),
        orientation=given.pop("orientation", None),
    )


def _size(flag: str, text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isascii() and part.isdigit() for part in parts):
        raise UsageError(f"{flag} {text!r} is no size: give N or HxW in pixels, as in 224 or 224x320.")
    height, width = int(parts[0]), int(parts[-1])
    return height, width


def _resize(text: str | None) -> str | int | tuple[int, int] | None:
    if text is None or text == "none":
        return text
    if text in ("exact", "letterbox"):
        return text
    size = _size("--resize", text)
    assert size is not None
    return size if "x" in text.lower() else size[0]


def _triple(flag: str, words: Sequence[str] | None) -> tuple[float, float, float] | None:
    if words is None:
        return None
    try:
        numbers = [float(word) for text in words for word in text.replace(",", " ").split()]
    except ValueError:
        numbers = []
    if len(numbers) == 1:
        numbers *= 3
    if len(numbers) != 3:
        raise UsageError(f"{flag} takes three numbers (or one for all channels), not {' '.join(words)!r}.")
    return numbers[0], numbers[1], numbers[2]
