"""Models: ONNX files, weights, exported programs."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import pickle
import random
from pathlib import Path
from typing import Any

from fuzz import mutators
from fuzz.readers.table import reader


def _onnx(rng: random.Random, content: bytes) -> bytes:
    from mutations import mutated

    with contextlib.suppress(Exception):  # it is no whole model any more
        return mutated(content, [tuple(rng.randrange(200) for _ in range(4)) for _ in range(rng.randint(1, 3))])
    return content


def models(root: Path) -> list[bytes]:
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
    models,
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
