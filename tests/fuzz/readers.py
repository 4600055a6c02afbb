"""Everything that reads what comes from outside: how a valid sample of it is made, and how it is read."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import json
import os
import pickle
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from fuzz import mutators
from fuzz.mutators import Mutator

from seatrial.artefacts import write_artefact
from seatrial.files import value_digest

# What a mutated file is called, so that errors can name it.
NAME = "fuzzed"


@dataclasses.dataclass(frozen=True)
class Reader:
    """One way in. samples: of a folder to make them in, the bytes of some that are valid. read: of the mutated file.
    mutators: what becomes of a sample, by turns. seal: path, bytes -> bytes with a checksum that holds; only a part of
    what is read is sealed. weight: of so many inputs, how many are this reader's. allowed: what else than our own
    errors it says that it raises. place: where the file lies, if that matters. needs: packages that take long to
    import. may_be_refused: whether one of the samples is, as it stands.
    """

    name: str
    samples: Callable[[Path], list[bytes]]
    read: Callable[[Path], Any]
    mutators: Sequence[Mutator] = mutators.BYTES
    seal: Callable[[Path, bytes], bytes] | None = None
    weight: int = 10
    allowed: tuple[type[BaseException], ...] = ()
    suffix: str = ""
    place: Callable[[Path], Path] | None = None
    needs: tuple[str, ...] = ()
    may_be_refused: bool = False

    def path(self, root: Path) -> Path:
        """Where its mutated file lies."""
        if self.place is not None:
            return self.place(root)
        folder = root / self.name.replace(" ", "-")
        folder.mkdir(exist_ok=True)
        return folder / f"{NAME}{self.suffix}"

    def input(self, rng: random.Random, path: Path, samples: Sequence[bytes]) -> bytes:
        """A mutated sample, a pure function of the generator."""
        content = mutators.mutated(rng, rng.choice(samples), self.mutators)
        if self.seal is not None and rng.random() < 0.75:
            with contextlib.suppress(Exception):  # what cannot be sealed is read as it is
                content = self.seal(path, content)
        return content


READERS: dict[str, Reader] = {}


def reader(name: str, samples: Callable[[Path], list[bytes]], **more: Any) -> Callable[[Callable[[Path], Any]], Any]:
    """Adds what reads a path to the table."""

    def add(read: Callable[[Path], Any]) -> Callable[[Path], Any]:
        assert name not in READERS, name
        READERS[name] = Reader(name, samples, read, **more)
        return read

    return add


def text(*lines: str) -> Callable[[Path], list[bytes]]:
    """A sample of these lines."""
    return lambda root: ["".join(f"{line}\n" for line in lines).encode()]


def values(*found: Any) -> Callable[[Path], list[bytes]]:
    """Samples of JSON."""
    return lambda root: [json.dumps(value).encode() for value in found]


# --- models ---------------------------------------------------------------------------------------------------------


def _onnx(rng: random.Random, content: bytes) -> bytes:
    from mutations import mutated

    with contextlib.suppress(Exception):  # it is no whole model any more
        return mutated(content, [tuple(rng.randrange(200) for _ in range(4)) for _ in range(rng.randint(1, 3))])
    return content


def _models(root: Path) -> list[bytes]:
    from mutations import originals

    from seatrial.exporters.contract import CLASSES_KEY, CONTRACT_KEY, InputContract

    found = [path if isinstance(path, bytes) else path.read_bytes() for path in originals(root)]
    import onnx

    model = onnx.load_model_from_string(found[0])
    model.metadata_props.add(key=CONTRACT_KEY, value=json.dumps(InputContract((16, 16), resize="exact").to_dict()))
    model.metadata_props.add(key=CLASSES_KEY, value=json.dumps(["a", "b", "c", "d"]))
    return [*found, model.SerializeToString()]


def _metadata(rng: random.Random, content: bytes) -> bytes:
    """JSON in the model's own metadata is another."""
    import onnx

    try:
        model = onnx.load_model_from_string(content)
        entry = rng.choice(list(model.metadata_props))
        entry.value = mutators.mutated(rng, entry.value.encode(), mutators.JSON).decode(errors="replace")
        return model.SerializeToString()
    except Exception:  # it has none
        return content


@reader(
    "onnx model",
    _models,
    mutators=(*mutators.BYTES, *([_onnx] * 9), *([_metadata] * 4)),
    suffix=".onnx",
    weight=20,
)
def _read_onnx(path: Path) -> None:
    from seatrial import exporters
    from seatrial.calib.warn import calibration_of
    from seatrial.exporters.float_view import float_view

    with_contract = b"seatrial.contract" in path.read_bytes()
    model = exporters.load(path, contract=None if with_contract else exporters.ContractOptions(size=(16, 16)))
    calibration_of(model)
    float_view(model)


def _tensors(root: Path) -> list[bytes]:
    import torch

    stream = io.BytesIO()
    torch.save({"state_dict": {"fc.weight": torch.zeros(4, 3), "fc.bias": torch.zeros(4)}, "epoch": 3}, stream)
    old = io.BytesIO()
    torch.save({"w": torch.zeros(2)}, old, _use_new_zipfile_serialization=False)
    return [stream.getvalue(), old.getvalue(), pickle.dumps({"w": 1})]


@reader(
    "weights .pt",
    _tensors,
    mutators=(*mutators.BYTES, mutators.members, mutators.members),
    suffix=".pt",
    needs=("torch",),
    may_be_refused=True,
)
def _read_weights(path: Path) -> None:
    from seatrial.exporters.torch_sources.state_dict import load_weights

    load_weights(_module(), path)


@functools.cache
def _module() -> Any:
    import torch

    return torch.nn.Sequential(torch.nn.Linear(3, 4))


def _safetensors(root: Path) -> list[bytes]:
    head = {
        "__metadata__": {"format": "pt"},
        "0.weight": {"dtype": "F32", "shape": [4, 3], "data_offsets": [0, 48]},
        "0.bias": {"dtype": "F32", "shape": [4], "data_offsets": [48, 64]},
    }
    words = json.dumps(head).encode()
    return [len(words).to_bytes(8, "little") + words + bytes(64)]


@reader(
    "weights .safetensors",
    _safetensors,
    mutators=(*mutators.BYTES, *([mutators.safetensors_head] * 8)),
    suffix=".safetensors",
    needs=("torch",),
)
def _read_safetensors(path: Path) -> None:
    from seatrial.exporters.torch_sources.state_dict import load_weights

    load_weights(_module(), path)


def _programs(root: Path) -> list[bytes]:
    import torch

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = torch.nn.Linear(12, 4)

        def forward(self, x: Any) -> Any:
            return self.fc(x.flatten(1))

    program = torch.export.export(Net().eval(), (torch.zeros(1, 3, 2, 2),))
    stream = io.BytesIO()
    torch.export.save(program, stream)
    return [stream.getvalue()]


@reader("exported program", _programs, mutators=mutators.ZIP, suffix=".pt2", needs=("torch",))
def _read_program(path: Path) -> None:
    from seatrial.exporters.torch_sources.program import check_archive

    check_archive(path)


# --- images ---------------------------------------------------------------------------------------------------------


def _archives(root: Path) -> list[bytes]:
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (6, 16, 16, 3), np.uint8), np.arange(6) % 4
    found = []
    for save, more in ((np.savez, {"names": np.array(list("abcdef"))}), (np.savez_compressed, {}), (np.savez, {})):
        stream = io.BytesIO()
        save(stream, images=images, labels=labels, **more)
        found.append(stream.getvalue())
    stream = io.BytesIO()
    np.savez(stream, images=images[..., 0])
    return [*found, stream.getvalue()]


@reader("image archive", _archives, mutators=mutators.ZIP, suffix=".npz", weight=20)
def _read_archive(path: Path) -> None:
    from seatrial.harness.data import labeller, open_data, select

    source = open_data(path, 4, labeller(4), unlabelled=False)
    chosen = select(source, seed=0, limit=None)
    list(source.digests(chosen.indices))
    list(source.stream(chosen.indices))


def _encoded(root: Path) -> list[bytes]:
    from PIL import Image

    rng, found = np.random.default_rng(0), []
    image = Image.fromarray(np.kron(rng.integers(0, 256, (4, 4, 3), np.uint8), np.ones((6, 6, 1), np.uint8)))
    for kind in ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "PPM", "GIF"):
        stream = io.BytesIO()
        image.save(stream, kind)
        found.append(stream.getvalue())
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(stream, "JPEG", exif=exif)
    return [*found, stream.getvalue()]


def _decode(decoder: str) -> Callable[[Path], None]:
    def read(path: Path) -> None:
        from seatrial.harness.data.source import Payload
        from seatrial.harness.pipeline.decoders import decode

        decode(Payload(str(path), path.read_bytes()), decoder)

    return read


for _decoder in ("pillow", "opencv", "ffmpeg", "turbojpeg"):
    reader(f"image by {_decoder}", _encoded, suffix=".img", weight=12)(_decode(_decoder))


def _npy(root: Path) -> list[bytes]:
    stream = io.BytesIO()
    np.save(stream, np.zeros((20, 4, 4, 3), np.uint8))
    return [stream.getvalue()]


@reader("released .npy", _npy, mutators=mutators.NPY, suffix=".npy")
def _read_released(path: Path) -> None:
    from seatrial.harness.conditions.kinds.corruption.released import NpySource

    if not (path.parent / "labels.npy").exists():
        np.save(path.parent / "labels.npy", np.zeros(20, np.int64))
    source = NpySource(path, 2, 4)
    list(source.digests([0, 1]))
    list(source.stream([0, 1]))


# --- words of people ------------------------------------------------------------------------------------------------


@reader(
    "class file",
    lambda root: [b'index,synset,name\n0,n0,cat\n1,n1,dog\n2,n2,"a, b"\n3,n3,fish\n', b"cat\ndog\na b\nfish\n"],
    mutators=mutators.TEXT,
    suffix=".csv",
    weight=15,
)
def _read_classes(path: Path) -> None:
    from seatrial.harness.data.labels import read_class_table

    read_class_table(path, 4)


@reader(
    "configuration",
    text(
        "model: m.onnx",
        "bits: [8, 4]",
        "engine: onnxruntime",
        "mean: [0.5, 0.5, 0.5]",
        "limit: 100",
        "advisory: true",
        "conditions: ['clean', 'corruption/fog@*']",
        "min-realized: 0.9",
    ),
    mutators=mutators.YAML,
    suffix=".yaml",
    weight=15,
)
def _read_config(path: Path) -> None:
    from seatrial.harness.command import parse_flags
    from seatrial.harness.command.run import make_parser

    parse_flags(make_parser(), ["--config", str(path)])


@reader(
    "gate",
    text(
        "recovery: 99",
        "latency_p50: {limit: 12, place: 'Intel*'}",
        "classes: {limit: 5, binding: failures}",
        "attack: null",
        "targets:",
        "  '*/int4*': {recovery: 97, conditions: 6.5}",
    ),
    mutators=mutators.YAML,
    suffix=".yaml",
)
def _read_gate(path: Path) -> None:
    from seatrial.harness.command.flags.gate_file import read_gate

    read_gate(path)


@reader(
    "boards",
    text("pi5:", "  alias: pi5.local", "  python: /bin/python3", "nano: {alias: nano, lease-file: /tmp/l}", "third:"),
    mutators=mutators.YAML,
    suffix=".yaml",
)
def _read_boards(path: Path) -> None:
    from seatrial.harness.spec.boards import read_boards

    read_boards(path)


# --- a run directory ------------------------------------------------------------------------------------------------


def world(root: Path) -> Path:
    """A folder with a model, images and a finished run of four targets and kinds; made once."""
    folder = root / "world"
    if not (folder / "whole").is_dir():
        _make_world(folder)
    return folder


def _make_world(folder: Path) -> None:
    from conftest import bench, make_folders, make_model
    from quick_timing import time_quickly

    time_quickly()
    folder.mkdir(exist_ok=True)
    make_model(folder / "m.onnx")
    make_folders(folder / "test", images=3)
    make_folders(folder / "calib", images=3, seed=1)
    words = ["--model", folder / "m.onnx", "--data", folder / "test", "--calib", folder / "calib", "--size", "16"]
    words += ["--engine", "onnxruntime", "--bits", "8", "--conditions", "clean", "--conditions", "corruption/fog@2"]
    words += ["--conditions", "attack/fgsm-linf@8", "--advisory", "--limit", "8", "--out", folder / "whole"]
    done = bench(list(map(str, words)))
    assert done.returncode == 0, done.stderr
    shutil.copytree(folder / "whole", folder / "run")


def _in_run(name: str) -> dict[str, Any]:
    return {
        "samples": lambda root: [sorted((world(root) / "whole").glob(name))[0].read_bytes()],
        "place": lambda root: sorted((world(root) / "run").glob(name) or (world(root) / "whole").glob(name))[0],
    }


def sealed_values(path: Path, content: bytes) -> bytes:
    """JSON values of a run directory, whoever wrote them, with the checksum that is theirs."""
    found = json.loads(content)
    found.pop("sha256", None)
    return json.dumps({**found, "sha256": value_digest(found)}).encode()


def sealed_table(path: Path, content: bytes) -> bytes:
    """The same of Parquet."""
    import pyarrow.parquet as pq

    from seatrial.harness.records.checked import write_table

    written = path.with_name(f".sealed-{os.getpid()}")
    try:
        write_table(written, pq.read_table(io.BytesIO(content)))
        return written.read_bytes()
    finally:
        written.unlink(missing_ok=True)


@contextlib.contextmanager
def _whole_again(path: Path) -> Iterator[Path]:
    """The run's folder; what was read of it becomes again what it was."""
    run = path.parent if path.parent.name == "run" else path.parent.parent
    try:
        yield run
    finally:
        for one in (run.parent / "whole").rglob("*"):
            there = run / one.relative_to(run.parent / "whole")
            if one.is_file() and (not there.is_file() or there.stat().st_mtime_ns != one.stat().st_mtime_ns):
                shutil.copy2(one, there)


def _judge(path: Path) -> None:
    """As `report` does, but for the pages, which are made of what is judged here."""
    from seatrial.harness.records.spec import spec_of_run
    from seatrial.harness.run.run import reported

    with _whole_again(path) as run:
        spec = dataclasses.replace(spec_of_run(run, "report"), out=run)
        reported(spec)


def _compare(path: Path) -> None:
    from seatrial.harness.results.baseline.judge import compare_runs

    with _whole_again(path) as run:
        json.dumps(compare_runs(run, run.parent / "whole").to_dict(), allow_nan=False)


def _merge(path: Path) -> None:
    """The run as the one shard of itself; nothing of what is left is run."""
    from seatrial.harness.records.checked import read_values, write_values
    from seatrial.harness.run.merging import merge

    with _whole_again(path) as run, contextlib.ExitStack() as stack:
        out = run.parent / "merged"
        stack.callback(shutil.rmtree, out, ignore_errors=True)
        if path.name != "run.json":
            write_values(run / "run.json", {**read_values(run / "run.json"), "shard": "1/1"})
        merge([run], out)


def _as_shard(root: Path) -> list[bytes]:
    stored = json.loads((world(root) / "whole/run.json").read_text())
    return [json.dumps({**stored, "shard": "1/1"}).encode()]


_JSON_FILES = ("run", "audit", "findings", "spent", "flips", "timing")
for _file in _JSON_FILES:
    reader(f"{_file}.json", mutators=mutators.JSON, seal=sealed_values, weight=1, **_in_run(f"{_file}.json"))(_judge)
reader(
    "failures.json",
    weight=1,
    mutators=mutators.JSON,
    seal=sealed_values,
    place=lambda root: world(root) / "run/failures.json",
    samples=values(
        {"failed": [{"target": "onnxruntime/int8@cpu", "stage": "build", "outcome": "crashed", "says": "x"}]}
    ),
)(_judge)
reader(
    "places.json",
    weight=1,
    mutators=mutators.JSON,
    seal=sealed_values,
    place=lambda root: world(root) / "run/places.json",
    samples=values(
        {
            "of": "x",
            "classes": None,
            "pairs": [
                {"first": "a", "second": "b", "conditions": {"clean": {"differing": 1, "images": [["a", 1, 2, 3]]}}}
            ],
        }
    ),
)(_judge)
reader(
    "nodes.json",
    weight=1,
    mutators=mutators.JSON,
    seal=sealed_values,
    place=lambda root: world(root) / "run/nodes.json",
    samples=values(
        {
            "nodes": {"node": {"cores": 2, "processor": {"machine": "x86_64", "features": ["avx2"]}}},
            "repeated": {"onnxruntime/int8@cpu": {"images": 32, "differing": 1, "says": ["1 of 32"]}},
        }
    ),
)(_judge)
for _file, _glob in (
    ("latency", "latency.parquet"),
    ("trial", "trials/*.parquet"),
    ("attack rows", "attacks/*.parquet"),
):
    reader(f"{_file} table", mutators=mutators.TABLE, seal=sealed_table, weight=1, **_in_run(_glob))(_judge)
reader("run.json compared", mutators=mutators.JSON, seal=sealed_values, weight=3, **_in_run("run.json"))(_compare)
reader("trial compared", mutators=mutators.TABLE, seal=sealed_table, weight=3, **_in_run("trials/*.parquet"))(_compare)


reader(
    "shard's run.json",
    mutators=mutators.JSON,
    seal=sealed_values,
    weight=3,
    **{**_in_run("run.json"), "samples": _as_shard},
)(_merge)
for _file, _glob in (
    *(("audit", "audit.json"), ("findings", "findings.json"), ("timing", "timing.json"), ("spent", "spent.json")),
):
    reader(f"shard's {_file}", mutators=mutators.JSON, seal=sealed_values, weight=1, **_in_run(_glob))(_merge)
reader("shard's trial", mutators=mutators.TABLE, seal=sealed_table, weight=1, **_in_run("trials/*.parquet"))(_merge)


def _directly(name: str, file: str, **more: Any) -> Callable[[Callable[[Path, Path], Any]], Any]:
    """A reader of one file of a run, without the run: it takes milliseconds."""

    def add(read: Callable[[Path, Path], Any]) -> Any:
        def of_path(path: Path) -> None:
            with _whole_again(path) as run:
                read(run, path)

        return reader(name, **{**_in_run(file), **more})(of_path)

    return add


@_directly("run's spec", "run.json", mutators=mutators.JSON, seal=sealed_values)
def _read_spec(run: Path, path: Path) -> None:
    from seatrial.harness.records.spec import spec_of_run

    spec_of_run(run)


def _read_listed(run: Path, path: Path) -> None:
    from seatrial.harness.records.listing import runs_in

    runs_in(run.parent)


_directly("runs, by what was asked", "run.json", mutators=mutators.JSON, seal=sealed_values)(_read_listed)
_directly("runs, by their summaries", "summary.json", mutators=mutators.JSON)(_read_listed)


@_directly("damage of a run", "audit.json", mutators=mutators.JSON, seal=sealed_values)
def _drop_damaged(run: Path, path: Path) -> None:
    from seatrial.harness.records.mend import drop_damaged
    from seatrial.harness.records.rundir import RunDirectory

    drop_damaged(RunDirectory(run), lambda sentence: None)


@_directly("timing", "timing.json", mutators=mutators.JSON, seal=sealed_values)
def _read_timing(run: Path, path: Path) -> None:
    from seatrial.harness.records.rundir import RunDirectory
    from seatrial.harness.results.timing.record import TimedRun

    timed = TimedRun.read(RunDirectory(run))
    timed.width, timed.budget_s  # noqa: B018
    for build, key in timed.pairs:
        timed.entry(build, key)
        timed.rounds(None, key)
        timed.stopped(None, key)


@_directly("latencies", "latency.parquet", mutators=mutators.TABLE, seal=sealed_table)
def _read_latencies(run: Path, path: Path) -> None:
    from seatrial.harness.records.latencies import read_latencies, read_samples, timed

    for target, scenario in timed(path):
        read_samples(path, target, scenario)
        read_latencies(path, [target])


@_directly("trials", "trials/*.parquet", mutators=mutators.TABLE, seal=sealed_table)
def _read_trials(run: Path, path: Path) -> None:
    from seatrial.harness.records.trials import is_finished, read_any_trial, read_trial, trials_in

    trials_in(path.parent)
    is_finished(path.parent, path.stem)
    ids, _ = read_any_trial(path)
    read_trial(path.parent, path.stem, ids)


@_directly("attack rows", "attacks/*.parquet", mutators=mutators.TABLE, seal=sealed_table)
def _read_attack_rows(run: Path, path: Path) -> None:
    import pyarrow.parquet as pq

    from seatrial.harness.attacks.rows import chunk_keys, read_attack_rows

    chunk_keys(run, path.stem)
    ids = pq.read_table(run.parent / "whole/attacks" / path.name)["image_id"].to_pylist()
    read_attack_rows(run, path.stem, ids)


def _trial_lines(root: Path) -> list[bytes]:
    from conftest import bench

    return ["\n".join(bench(["trial", "--from", world(root) / "whole"]).stdout.splitlines()[:2]).encode()]


@reader("trial's description", _trial_lines, mutators=mutators.JSON_LINES, suffix=".jsonl", weight=8)
def _read_trial_lines(path: Path) -> None:
    from seatrial.harness.command.trial import _read
    from seatrial.harness.run.trial import _checked
    from seatrial.harness.spec.kept import from_dict
    from seatrial.harness.spec.run import RunSpec

    for description in _read(str(path)):
        _checked(description)
        from_dict(RunSpec, description["spec"])


# --- what processes and boards say -----------------------------------------------------------------------------------


@contextlib.contextmanager
def _channel(path: Path) -> Iterator[Any]:
    from seatrial.engines.places.channel import Channel

    incoming, outgoing = os.open(path, os.O_RDONLY), os.open(os.devnull, os.O_WRONLY)
    try:
        yield Channel(incoming, outgoing)
    finally:
        os.close(incoming)
        os.close(outgoing)


class _Kept:
    """A channel's outgoing side, for samples."""

    def __init__(self) -> None:
        self.content = b""

    def write(self, content: bytes | memoryview, deadline: float | None = None) -> None:
        self.content += bytes(content)


def _wire_samples(root: Path) -> list[bytes]:
    from seatrial.engines.places import wire

    kept = _Kept()
    wire.send(kept, {"ask": "infer", "seconds": 0.5}, [np.zeros((2, 4), np.float32), np.zeros(3, np.uint8)])  # type: ignore[arg-type]
    return [kept.content]


def _framed_json(rng: random.Random, content: bytes) -> bytes:
    """A length of 8 bytes, JSON, and the rest: the JSON is another, and so is its length."""
    at = 9 if content.startswith(b"seatrial\n") else 0
    size = int.from_bytes(content[at : at + 8], "little")
    if size > len(content):
        return content
    head = rng.choice((mutators.json_text, mutators.json_text, mutators.deep))(rng, content[at + 8 : at + 8 + size])
    return content[:at] + len(head).to_bytes(8, "little") + head + content[at + 8 + size :]


def _wire_errors() -> tuple[type[BaseException], ...]:
    from seatrial.engines.places.wire import WireError

    return (WireError, EOFError, TimeoutError)


@reader("wire", _wire_samples, mutators=(*mutators.BYTES, *([_framed_json] * 10)), allowed=_wire_errors(), weight=20)
def _read_wire(path: Path) -> None:
    from seatrial.engines.places.wire import receive

    with _channel(path) as channel:
        receive(channel)


def _served_samples(root: Path) -> list[bytes]:
    tensor = {"name": "logits", "datatype": "FP32", "shape": [2, 4]}
    model = {"name": "m", "versions": ["1"], "inputs": [{**tensor, "shape": [-1, 3, 16, 16]}], "outputs": [tensor]}
    answer = {"model_name": "m", "model_version": "1", "outputs": [{**tensor, "data": [0.5] * 8}]}
    raw = {**answer, "outputs": [{**tensor, "parameters": {"binary_data_size": 32}}]}
    durations = {name: {"count": 1, "ns": 5} for name in ("success", "queue", "compute_input", "compute_infer")}
    found = [{"name": "s", "version": "1", **model}, answer, {"model_stats": [{"inference_stats": durations}]}]
    found += [{"error": "no"}, {"max_batch_size": 8}]
    return [*(json.dumps(one).encode() for one in found), json.dumps(raw).encode() + bytes(32)]


@reader("words of a server", _served_samples, mutators=(*mutators.BYTES, *mutators.JSON), weight=15)
def _read_served(path: Path) -> None:
    from seatrial.engines.kserve.client import Query
    from seatrial.engines.kserve.described import described_of, parsed
    from seatrial.engines.kserve.endpoint import address_of
    from seatrial.engines.kserve.http import _answer, _error_in
    from seatrial.engines.kserve.statistics import statistics_of
    from seatrial.errors import DeviceError

    content = path.read_bytes()
    _error_in(content)
    query = Query("input", "FP32", np.zeros((2, 3, 16, 16), np.float32), None, 4)
    refused = []
    for head in (None, str(len(content) - 32)):
        try:
            _answer(content, head, query)
        except DeviceError as error:
            refused.append(error)
    try:
        found = parsed(content)
        statistics_of(found)
        described_of(found, found, found, address_of("http://h:8000/v2/models/m"))
    except DeviceError:
        if len(refused) == 2:
            raise


def _hello_samples(root: Path) -> list[bytes]:
    from seatrial.engines.places.hello import send_hello

    kept = _Kept()
    send_hello(kept, devices=["cpu"])  # type: ignore[arg-type]
    return [kept.content]


@reader("hello", _hello_samples, mutators=(*mutators.BYTES, *([_framed_json] * 10)), allowed=_wire_errors(), weight=15)
def _read_hello(path: Path) -> None:
    from seatrial.engines.places.hello import receive_hello

    with _channel(path) as channel:
        receive_hello(channel, "a board")


@functools.cache
def _evidence(folder: Path) -> tuple[Any, dict[str, Any]]:
    """The request of the small model, and part -> what ONNX Runtime's process tells of it."""
    from conftest import make_model

    from seatrial.engines import BuildRequest
    from seatrial.engines.registry import ENGINES

    request = BuildRequest(make_model(folder / "evidence.onnx").read_bytes(), "input", "logits", (3, 16, 16), 4)
    with ENGINES["onnxruntime"](request) as engine:
        return request, {part: engine.evidence(part) for part in ("executed", "written")}


def _evidence_samples(root: Path) -> list[bytes]:
    return [json.dumps({part: fields for part, (fields, _) in _evidence(root)[1].items()}).encode()]


@reader("evidence of an engine", _evidence_samples, mutators=mutators.JSON, allowed=(), suffix=".json")
def _read_evidence(path: Path) -> None:
    from seatrial.engines.places.answers import judged

    request, parts = _evidence(path.parent.parent)
    with contextlib.suppress(ValueError, RecursionError):  # the wire refuses it, as its own row shows
        fields = json.loads(path.read_bytes())
        if isinstance(fields, dict):
            judged("onnxruntime", request, lambda part: (fields.get(part, {}), parts[part][1]))


def _board_frames(root: Path) -> list[bytes]:
    from seatrial.agent import frames

    found = b""
    for kind, content in (
        (frames.HELLO, json.dumps({"agent": frames.AGENT, "seatrial": "0"}).encode()),
        (frames.BEAT, b""),
        (frames.ANSWER, json.dumps({"id": 1, "held": True}).encode()),
        (frames.DATA, b"x" * 300),
        (frames.TAKEN, frames.COUNT.pack(300)),
        (frames.ENDED, json.dumps({"outcome": "crashed", "says": "x", "status": 1}).encode()),
    ):
        found += frames.head(kind, len(content), 1) + content
    return [found]


@reader("frames of a board", _board_frames, allowed=(ValueError,), weight=15)
def _read_frames(path: Path) -> None:
    from seatrial.agent.frames import BEAT, DATA, OUTPUT, TAKEN
    from seatrial.engines.boards.frames_in import FramesIn, json_object

    for head, content in FramesIn().feed(memoryview(path.read_bytes())):
        if head.kind not in (BEAT, DATA, OUTPUT, TAKEN):
            json_object(content)


def _host_frames(root: Path) -> list[bytes]:
    from seatrial.agent import frames

    asked = json.dumps({"id": 1, "ask": "lease", "wait_s": 0}).encode()
    return [frames.head(frames.ASK, len(asked)) + asked + frames.head(frames.BEAT, 0)]


def _violations() -> tuple[type[BaseException], ...]:
    from seatrial.agent.boot import RefusedError
    from seatrial.agent.refusals import ViolationError

    return (ViolationError, RefusedError, OSError)


@reader("frames of a host", _host_frames, allowed=_violations(), weight=10)
def _read_inbox(path: Path) -> None:
    from seatrial.agent.inbox import Inbox, object_of

    for _, content in Inbox().take(path.read_bytes()):
        if content:
            object_of(content)


def _code(root: Path) -> list[bytes]:
    from seatrial.engines.boards.archive import archive

    return [archive().content]


@reader("code for a board", _code, mutators=mutators.ZIP, allowed=(Exception,), weight=2)  # the board tells it
def _read_code(path: Path) -> None:
    from seatrial.agent.boot import unpack

    unpack(path.read_bytes(), path.parent / "unpacked")


@reader(
    "holder of a board",
    values({"renewed": 1.0, "owner": "a", "pid": 1, "begun": 2, "guardian": 3, "since": 0.0, "lease_s": 60.0}),
    mutators=mutators.JSON,
    suffix=f".{os.getuid()}",
)
def _read_holder(path: Path) -> None:
    from seatrial.agent.lease import _holder, _lives

    found = _holder(path)
    if found is not None:
        _lives(found)


def _messages(root: Path) -> list[bytes]:
    stream = io.BytesIO()
    np.savez(stream, np.frombuffer(b'{"ask": "export"}', np.uint8), np.zeros((2, 3), np.float32))
    return [stream.getvalue()]


def _message_errors() -> tuple[type[BaseException], ...]:
    from seatrial.exporters.torch_sources.messages import MessageError

    return (MessageError, EOFError, TimeoutError)


@reader("message of a factory", _messages, mutators=mutators.ZIP, allowed=_message_errors())
def _read_message(path: Path) -> None:
    import socket
    import threading

    from seatrial.exporters.torch_sources.messages import receive

    content = path.read_bytes()
    one, other = socket.socketpair()
    with one, other:

        def say() -> None:
            with contextlib.suppress(OSError):
                one.sendall(len(content).to_bytes(8, "little") + content)
                one.shutdown(socket.SHUT_WR)

        saying = threading.Thread(target=say)
        saying.start()
        try:
            receive(other, 20)
        finally:
            other.close()
            saying.join()


@reader(
    "log of the load generator",
    text(
        ':::MLLOG {"key": "result_validity", "value": "VALID"}',
        ':::MLLOG {"key": "result_50.00_percentile_latency_ns", "value": 1200}',
        ':::MLLOG {"key": "result_query_count", "value": 100}',
        ':::MLLOG {"key": "early_stopping_latency_ss", "value": 1300}',
        ':::MLLOG {"key": "result_min_duration_met", "value": true}',
    ),
    mutators=(*mutators.BYTES, mutators.deep, mutators.long_line),
)
def _read_log(path: Path) -> None:
    from seatrial.engines.places.answers import well_formed
    from seatrial.engines.timing.loadgen_log import figures

    with well_formed("onnxruntime"):
        figures(path.read_text("utf-8", "replace"), "single-stream")


@reader(
    "nvidia-smi",
    text("NVIDIA H200, 345, 1593, 1980, 30, 76.5, 700.00, 1, 0x0000000000000001", "A, [N/A], 1, 2, 3, 4, 5, 6, 0x8"),
    mutators=mutators.TEXT,
)
def _read_smi(path: Path) -> None:
    from seatrial.engines.machine.nvidia_smi import parse

    parse(path.read_text("utf-8", "replace"))


_INSPECTED = {
    "Layers": [
        {
            "Name": "conv1 + relu1",
            "LayerType": "Conv",
            "TacticName": "i8",
            "Inputs": [{"Name": "a", "Format/Datatype": "Int8"}],
            "Metadata": "[ONNX Layer: conv1]",
            "Weights": {"Type": "Int8", "Count": 4},
        },
        {"Name": "{ForeignNode[conv2...fc]}", "LayerType": "Myelin", "Inputs": [], "Constants": [{"Dimensions": [2]}]},
    ],
    "Bindings": [],
}


@reader("TensorRT's inspector", values(_INSPECTED), mutators=mutators.JSON)
def _read_inspector(path: Path) -> None:
    from seatrial.engines.tensorrt.inspector import read_layers

    read_layers(path.read_text("utf-8", "replace"))


# --- the cache --------------------------------------------------------------------------------------------------------


def sealed_artefact(path: Path, content: bytes) -> bytes:
    """An entry of the cache with the checksum of what it holds now."""
    from seatrial.artefacts import _MAGIC, _checksum

    body = content.partition(b"\n")[2]
    return _MAGIC + _checksum(path, body) + b"\n" + body


def _entry(name: str, suffix: str, content: Callable[[Path], bytes], facts: dict[str, Any]) -> dict[str, Any]:
    def samples(root: Path) -> list[bytes]:
        path = READERS[name].path(root)
        write_artefact(path, content(root), facts)
        return [path.read_bytes()]

    return {"samples": samples, "suffix": suffix, "seal": sealed_artefact}


def _facts(rng: random.Random, content: bytes) -> bytes:
    """The facts of an entry, or its content, are others."""
    head, _, body = content.partition(b"\n")
    facts, _, inner = body.partition(b"\n")
    if rng.random() < 0.5:
        facts = mutators.json_text(rng, facts)
    else:
        inner = rng.choice((mutators.json_text, mutators.members, mutators.deep, *mutators.BYTES))(rng, inner)
    return b"\n".join((head, facts, inner))


_CACHED = (*mutators.BYTES, *([_facts] * 12))


@reader(
    "engine in the cache",
    mutators=_CACHED,
    **_entry("engine in the cache", ".engine", lambda root: b"x" * 99, {"build_s": 1.5}),
)
def _read_entry(path: Path) -> None:
    from seatrial.engines.build_cache import read_entry

    read_entry(path.parent, path.stem)


@reader(
    "quantized model in the cache",
    mutators=_CACHED,
    **_entry("quantized model in the cache", ".model", lambda root: _models(root)[0], {"precision": "int8"}),
)
def _read_quantized(path: Path) -> None:
    from seatrial.calib.cache import find

    find(path.parent, path.stem, _small(path.parent))


@functools.cache
def _small(folder: Path) -> Any:
    from conftest import make_model

    from seatrial import exporters

    return exporters.load(make_model(folder / "small.onnx"), contract=exporters.ContractOptions(size=(16, 16)))


def _verdict(root: Path) -> bytes:
    from seatrial.harness.guard.verdict import Piece, Verdict

    piece = Piece("a", ("a", "b"), "k", 0.1, 3.0)
    return json.dumps(
        Verdict(8, "calibration", 12.0, 1, (piece,), "basic", False, (1, 2), 0.1, (("a", "b"),)).to_dict()
    ).encode()


@reader("verdict in the cache", mutators=_CACHED, **_entry("verdict in the cache", ".verdict", _verdict, {}))
def _read_verdict(path: Path) -> None:
    from seatrial.harness.guard.look import stored_verdict

    stored_verdict(path)


def _chunk(root: Path) -> bytes:
    from seatrial.harness.attacks.rows import AttackRows

    flags = np.zeros(3, np.bool_)
    rows = AttackRows(flags, flags, np.zeros(3, np.float32), flags, np.zeros(3, np.int32))
    stream = io.BytesIO()
    np.savez_compressed(stream, change=np.zeros((3, 4, 4, 3), np.uint8), **dataclasses.asdict(rows))
    return stream.getvalue()


@reader(
    "adversarial images in the cache",
    mutators=_CACHED,
    place=lambda root: _made(root / "chunks" / NAME[:2]) / f"{NAME}.chunk",
    **dict(_entry("adversarial images in the cache", ".chunk", _chunk, {}).items()),
)
def _read_chunk(path: Path) -> None:
    from seatrial.harness.attacks.store import ChunkStore

    ChunkStore(path.parent.parent).read(path.stem, np.zeros((3, 4, 4, 3), np.uint8))


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


# --- nodes of a cluster ---------------------------------------------------------------------------------------------


def _asked_of_node() -> Any:
    from seatrial.harness.conditions import Condition
    from seatrial.harness.conditions.kinds.protocol import Pending
    from seatrial.harness.run.executors.messages import Asked

    return Asked((Pending(Condition("clean"), ("onnxruntime/fp32@cpu", "onnxruntime/int8@cpu")),), 0, 4)


def _answers_of_node(root: Path) -> list[bytes]:
    from seatrial.errors import EngineDiedError
    from seatrial.harness.records.predictions import rows_of
    from seatrial.harness.run.executors.messages import packed, told

    scores = np.random.default_rng(0).standard_normal((4, 10), np.float32)
    asked = _asked_of_node()
    rows = dict.fromkeys(asked.keys, rows_of(scores, np.arange(4)))
    head = {"failures": [], "conditions_s": 0.5, "engines_s": 0.5}
    return [packed(asked.keys, rows, head), json.dumps(told(EngineDiedError("it hung", "hung"))).encode()]


@reader("answer of a node", _answers_of_node, mutators=mutators.ZIP, weight=20, may_be_refused=True)
def _answer_of_node(path: Path) -> None:
    from seatrial.harness.run.executors.messages import FaultError, unpacked

    with contextlib.suppress(FaultError):  # a fault of ours there, told here
        unpacked(path.read_bytes(), _asked_of_node(), np.arange(4), 10)


def _readiness(root: Path) -> list[bytes]:
    from seatrial.harness.records.failures import Failure
    from seatrial.harness.run.executors.messages import Ready

    targets = {"onnxruntime/int8@cpu": {"processor": {"machine": "x86_64", "features": ["avx2"]}}}
    lost = (Failure("onnxruntime/int8@cpu", "build", "refused", "no"),)
    return [
        Ready("n", {}, {"seed": 0}, targets, {"clean": {"id": "clean"}}, {}, failures).to_bytes()
        for failures in ((), lost)
    ]


@reader("readiness of a node", _readiness, mutators=mutators.JSON)
def _readiness_of_node(path: Path) -> None:
    from seatrial.harness.plan.keys import Identity
    from seatrial.harness.run.executors.fitting import misfits
    from seatrial.harness.run.executors.messages import FaultError, Ready

    target = "onnxruntime/int8@cpu"
    processor = {"machine": "x86_64", "features": ["avx2", "fma"]}
    identity = Identity({"seed": 0}, {target: {"processor": processor}}, {"clean": {"id": "clean"}})
    with contextlib.suppress(FaultError):
        misfits(Ready.of(path.read_bytes()), identity, ["clean"], {target: "0" * 64})


@reader(
    "order for a node",
    values({"schema": 1, "spec": {}, "builds": [], "digests": {}, "threads": 1}),
    mutators=mutators.JSON,
)
def _order_for_node(path: Path) -> None:
    from seatrial.harness.run.executors.messages import Order

    Order.of(path.read_text(errors="replace"))
