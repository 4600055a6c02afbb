"""The steps, in the order in which a fault of one explains those of the next."""

from __future__ import annotations

import dataclasses

MAIN, PROVIDERS, RTX_PROVIDER = "main", "onnxruntime-gpu", "onnxruntime-rtx"
TENSORRT_PRECISIONS = ("fp32", "fp16", "bf16", "int8", "fp8", "int4")
PROVIDER_PRECISIONS = {"cuda": ("fp32", "fp16"), "tensorrt": ("fp32", "fp16", "int8")}
CPU_PRECISIONS = {
    "onnxruntime": ("fp32", "int8", "int4"),
    "openvino": ("fp32", "fp16", "bf16", "int8"),
    "pytorch": ("fp32",),
}


@dataclasses.dataclass(frozen=True)
class Step:
    """kind: a module of `gpukit.doing`, which gets `arguments`. needs: words of `gpukit.machine`, what has to be here.
    after: a step without which this one cannot be. environment: whose Python runs it. seconds: what it takes about, and
    must have at least; limit_s: when it counts as hanging.
    """

    name: str
    kind: str
    arguments: tuple[str, ...] = ()
    needs: tuple[str, ...] = ("gpu",)
    after: str | None = None
    environment: str = MAIN
    seconds: int = 20
    limit_s: int = 300


def _tests(name: str, *arguments: str, **changes: object) -> Step:
    return Step(name, "tests", arguments, **changes)  # type: ignore[arg-type]


def _target(engine: str, device: str, precision: str, **changes: object) -> Step:
    return Step(
        f"{engine}/{precision}@{device}",
        "target",
        (engine, device, precision),
        **{"seconds": 30, "limit_s": 600, **changes},  # type: ignore[arg-type]
    )


def _tensorrt(engine: str) -> list[Step]:
    """The full TensorRT, or TensorRT-RTX."""
    file, own = "tests/gpu/test_tensorrt.py", ("gpu", engine)

    def tests(what: str, *names: str, **changes: object) -> Step:
        # The tests' parameters are the engines; `tensorrt-` is no part of the other's.
        chosen = [f"{file}::{name}" for name in names]
        return _tests(f"{engine}: {what}", *chosen, "--only", engine, **{"needs": own, **changes})

    first = [
        tests("what was built is described", "test_what_was_built_is_described"),
        _target(engine, "cuda", "fp32", needs=own),
        tests("every batch", "test_every_batch_from_one_to_beyond_the_largest"),
        tests("a frozen batch", "test_a_frozen_batch"),
        tests("a replayed graph", "test_a_replayed_graph_answers_as_what_is_queued"),
        tests("phases", "test_phases_are_parts_of_the_whole", seconds=40),
        tests("two engines at once", "test_two_engines_on_two_streams_do_not_disturb_each_other"),
        tests("float32 of the shared models", "test_float32_answers_like_onnx_runtime", seconds=60, limit_s=900),
    ]
    lower = [_target(engine, "cuda", precision, needs=own) for precision in TENSORRT_PRECISIONS if precision != "fp32"]
    inspected = [
        Step(f"{engine}: inspector at {precision}", "inspector", (engine, precision), own, f"{engine}/{precision}@cuda")
        for precision in TENSORRT_PRECISIONS
    ]
    beside = [
        Step(
            f"trtexec: {precision}",
            "trtexec",
            (engine, precision),
            ("gpu", engine, "trtexec"),
            f"{engine}/{precision}@cuda",
            seconds=15,
        )
        for precision in (TENSORRT_PRECISIONS if engine == "tensorrt" else ())
    ]
    last = [
        tests(
            "lower precisions of the shared models",
            "test_lower_precisions_answer_like_their_files_and_are_what_they_say",
            "test_the_guard_finds_that_quantized_engines_compute_what_their_files_say",
            "test_the_audit_counts_all_work_of_the_graph",
            seconds=120,
            limit_s=1800,
        ),
        tests("plans are kept", "test_a_plan_is_built_once_and_then_loaded"),
        tests("timing cache", "test_the_timing_cache_is_kept_and_used"),
        Step(f"{engine}: rebuilds", "rebuilds", (engine, "cuda"), own, seconds=60, limit_s=900),
        tests("compatible plans", "test_builder_options_give_plans_that_run", seconds=60, limit_s=900),
        tests(
            "values inside, errors, memory",
            "test_the_values_inside_are_those_of_onnx_runtime",
            "test_a_graph_that_tensorrt_refuses_is_a_build_error_with_its_words",
            "test_an_engine_gives_its_memory_back",
            "test_another_gpu_than_the_one_here_is_not_run",
            seconds=40,
            limit_s=900,
        ),
    ]
    dla = [
        _target(engine, "dla", one, needs=(*own, "jetson"))
        for one in (("fp16", "int8") if engine == "tensorrt" else ())
    ]
    return [*first, *lower, *dla, *inspected, *beside, *last]


def _provider(device: str, environment: str) -> list[Step]:
    made = f"environment {environment}"
    changes = {"after": made, "environment": environment}
    precisions = PROVIDER_PRECISIONS.get(device, PROVIDER_PRECISIONS["tensorrt"])
    return [
        *(_target("onnxruntime", device, precision, **changes) for precision in precisions),
        _tests(
            f"onnxruntime@{device}: its tests",
            "tests/gpu/test_onnxruntime_cuda.py",
            "--only",
            device,
            seconds=90,
            limit_s=1200,
            **changes,
        ),
    ]


def gpu_steps() -> list[Step]:
    """All that a machine with an NVIDIA GPU is asked."""
    memory = "tests/gpu/test_cuda_memory_on_device.py"
    return [
        Step("versions", "versions", limit_s=180),
        Step("install: CUDA", "install", ("cuda",), ("gpu", "installing"), seconds=20),
        Step("install: TensorRT", "install", ("tensorrt",), ("gpu", "installing"), seconds=90, limit_s=1800),
        Step("doctor", "doctor", seconds=30),
        _tests("CUDA memory: cuda-python", memory, "--only", "cuda-python", needs=("gpu", "cuda-python")),
        Step("install: PyCUDA", "install", ("pycuda",), ("gpu", "installing", "nvcc"), seconds=60, limit_s=900),
        _tests("CUDA memory: PyCUDA", memory, "--only", "PyCUDA", needs=("gpu", "pycuda")),
        *_tensorrt("tensorrt"),
        Step(
            "install: TensorRT-RTX",
            "install",
            ("tensorrt-rtx",),
            ("gpu", "installing", "x86"),
            seconds=60,
            limit_s=1200,
        ),
        *_tensorrt("tensorrt-rtx"),
        Step(
            f"environment {PROVIDERS}",
            "provider",
            (PROVIDERS,),
            ("gpu", "installing"),
            seconds=120,
            limit_s=1800,
        ),
        *_provider("cuda", PROVIDERS),
        *_provider("tensorrt", PROVIDERS),
        Step(
            f"environment {RTX_PROVIDER}",
            "provider",
            (RTX_PROVIDER,),
            ("gpu", "installing", "x86"),
            seconds=90,
            limit_s=1800,
        ),
        *_provider("tensorrt-rtx", RTX_PROVIDER),
        Step("install: PyTorch", "install", ("torch",), ("gpu", "installing"), seconds=180, limit_s=2400),
        _target("pytorch", "cuda", "fp32", needs=("gpu", "torch")),
        _tests("PyTorch on CUDA", "tests/gpu/test_pytorch_cuda.py", needs=("gpu", "torch"), seconds=60, limit_s=900),
        _tests("attacks on CUDA", "tests/gpu/test_attacks_cuda.py", needs=("gpu", "torch"), seconds=90, limit_s=1200),
        _tests("clocks, energy and memory", "tests/gpu/test_nvml_on_device.py", needs=("gpu", "torch"), seconds=40),
    ]


def cpu_steps() -> list[Step]:
    """The engines that run on the processor, for its rows of the table of hardware."""
    return [
        _target(engine, "cpu", precision, needs=(engine,), seconds=10)
        for engine, precisions in CPU_PRECISIONS.items()
        for precision in precisions
    ]
