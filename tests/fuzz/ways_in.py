"""Where the package reads what it did not just make: found in its source, so that no way in is forgotten."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("harness", "engines", "calib", "exporters", "seatrial")

# What parses: the last part of what is called, or the whole where that says too little.
PARSES = frozenset(
    {
        *(
            "json.loads",
            "json.load",
            "np.load",
            "numpy.load",
            "arrays_of",
            "yaml.load",
            "torch.load",
            "torch.export.load",
        ),
        *("csv.reader", "csv.DictReader", "zipfile.ZipFile", "tarfile.open", "Image.open", "cv2.imdecode"),
        *("onnx.load", "onnx.load_model", "onnx.load_model_from_string", "pq.ParquetFile", "pq.read_table"),
        *(
            "safetensors.load_file",
            "np.lib.format.read_magic",
            "pickle.loads",
            "pickle.load",
            "_HEAD.unpack",
            "HEAD.unpack",
        ),
        *("read_yaml", "read_json", "read_values", "read_table", "open_table", "read_artefact", "read_as", "_Once"),
    }
)


def ways_in() -> set[str]:
    """`module:function` of every function that parses."""
    return {f"{name}:{function}" for name, tree in _trees() for function in _parsing(tree, "")}


def _trees() -> Iterator[tuple[str, ast.Module]]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            name = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
            if not any(part.is_symlink() for part in path.parents if part != ROOT and ROOT in part.parents):
                yield name if name.startswith("seatrial") else f"seatrial.{name}", ast.parse(path.read_bytes())


def _parsing(tree: ast.AST, inside: str) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
            yield from _parsing(node, f"{inside}.{node.name}".lstrip("."))
        else:
            if isinstance(node, ast.Call) and ast.unparse(node.func) in PARSES:
                yield inside
            yield from _parsing(node, inside)
