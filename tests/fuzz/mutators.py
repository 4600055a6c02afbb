"""Ways in which a file, or a message, becomes another: pure functions of a seeded generator and of bytes."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import math
import random
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Mutator = Callable[[random.Random, bytes], bytes]

# What types, counts and names are not.
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 0.5, 2**31, 2**62, -(2**63), 2**64, 10**400, 1e308, -1e308),
    *(
        float("nan"),
        float("inf"),
        "",
        " ",
        "0",
        "-1",
        "nan",
        "\0",
        "\x1b[2J",
        "\ud800",
        "../../etc/passwd",
        "x" * 100_000,
    ),
    *([], {}, [[]], [{}], [None], {"": None}, {"a": {}}, [0] * 1000, ["x"] * 5, [[[[[[1]]]]]], {"id": 1}),
)
_NUMBERS = (0, 1, 127, 128, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)
_TEXTS = (
    *(b"\xff\xfe", b"\x80", b"\xed\xa0\x80", b"\xc0\xaf", b"\0", b"\r", b"\n\n", b"\x1b[31m", b"\xef\xbb\xbf"),
    *(
        b'"',
        b"'",
        b",",
        b":",
        b"{",
        b"[",
        b"}" * 9,
        b"%",
        b"&a",
        b"*a",
        b"!!python/object:os.system",
        b"- ",
        b"nan",
        b"1e999",
    ),
)


def flip(rng: random.Random, content: bytes) -> bytes:
    """A few bits are others, half of them at the beginning."""
    found = bytearray(content)
    for _ in range(rng.randint(1, 12) if found else 0):
        end = min(len(found), 512) if rng.random() < 0.5 else len(found)
        found[rng.randrange(end)] ^= 1 << rng.randrange(8)
    return bytes(found)


def cut(rng: random.Random, content: bytes) -> bytes:
    """It ends, or begins, elsewhere."""
    at = rng.randint(0, len(content))
    return content[:at] if rng.random() < 0.8 else content[at:]


def insert(rng: random.Random, content: bytes) -> bytes:
    """Something stands in between."""
    at = rng.randint(0, len(content))
    return content[:at] + rng.choice(_TEXTS) * rng.choice((1, 1, 1, 3, 50)) + content[at:]


def number(rng: random.Random, content: bytes) -> bytes:
    """A number of 1 to 8 bytes, in either order, is an extreme one."""
    form = rng.choice("bBhHiIqQ")
    limit = 1 << 8 * struct.calcsize(form)
    signless = struct.pack(rng.choice("<>") + form.upper(), rng.choice(_NUMBERS) % limit)
    at = rng.randint(0, max(0, len(content) - len(signless)))
    return content[:at] + signless + content[at + len(signless) :]


def repeat(rng: random.Random, content: bytes) -> bytes:
    """A part stands there several times."""
    begin = rng.randint(0, len(content))
    end = min(len(content), begin + rng.randint(1, 200))
    times = rng.choice((2, 2, 3, 20, 300))
    return content[:begin] + content[begin:end] * times + content[end:]


def swap(rng: random.Random, content: bytes) -> bytes:
    """Two parts change places."""
    a, b, c = sorted(rng.randint(0, len(content)) for _ in range(3))
    return content[:a] + content[b:c] + content[a:b] + content[c:]


def blank(rng: random.Random, content: bytes) -> bytes:
    """A part is zeros, or spaces."""
    begin = rng.randint(0, len(content))
    end = min(len(content), begin + rng.randint(1, 64))
    return content[:begin] + rng.choice((b"\0", b" ", b"\xff")) * (end - begin) + content[end:]


def other(rng: random.Random, content: bytes) -> bytes:
    """Nothing of it is left."""
    return rng.choice(
        (b"", b"\0" * 1000, b"{}", b"[]", b"null", b"1", b'""', b"nan", rng.randbytes(rng.randint(1, 300)), b"\n" * 50)
    )


BYTES: tuple[Mutator, ...] = (flip, flip, cut, insert, number, repeat, swap, blank, other)


def deep(rng: random.Random, content: bytes) -> bytes:
    """Nested deeper than anybody writes, alone or in the place of a value."""
    depth = rng.choice((50, 500, 5_000, 100_000))
    one, two = rng.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"- ", b""), (b"{a: ", b"}"), (b"[[[{a: ", b"}]]]")))
    nested = one * depth + b"1" + two * depth
    if rng.random() < 0.5 or b":" not in content:
        return nested
    begin = rng.choice([at for at, sign in enumerate(content) if sign == ord(":")])
    end = min(
        (at for at in (content.find(sign, begin) for sign in (b",", b"\n", b"}")) if at > 0), default=len(content)
    )
    return content[: begin + 1] + nested + content[end:]


def json_value(rng: random.Random, value: Any) -> Any:
    """JSON of which one to three values are others, gone, doubled, or under another name."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        places = _places(value)
        if not places or rng.random() < 0.02:
            return copy.deepcopy(rng.choice(VALUES))
        holder, key = rng.choice(places)
        what = rng.randrange(6)
        if what == 0:
            del holder[key]
        elif what == 1 and isinstance(holder, list):
            holder.extend(holder[-1:] * rng.choice((1, 3, 200)))
        elif what == 1:
            holder[rng.choice(("", "x", "\x1b", "schema", "x" * 5000, "\ud800"))] = holder.pop(key)
        elif what == 2:
            source, name = rng.choice(places)
            holder[key] = copy.deepcopy(source[name])
        else:
            holder[key] = copy.deepcopy(rng.choice(VALUES))
    return value


def _places(value: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        holder = waiting.pop()
        if isinstance(holder, (dict, list)):
            keys = list(holder) if isinstance(holder, dict) else range(len(holder))
            for key in keys:
                found.append((holder, key))
                waiting.append(holder[key])
    return found


def json_text(rng: random.Random, content: bytes) -> bytes:
    """The same of text that is JSON; other text stays as it is."""
    try:
        value = json.loads(content)
    except ValueError:
        return content
    return json.dumps(json_value(rng, value)).encode()


def json_lines(rng: random.Random, content: bytes) -> bytes:
    """The same of one of several lines."""
    lines = content.split(b"\n")
    index = rng.randrange(len(lines))
    lines[index] = json_text(rng, lines[index])
    return b"\n".join(lines)


def aliases(rng: random.Random, content: bytes) -> bytes:
    """YAML that unfolds to far more than it is: by lists, by mappings, by merges, or to itself."""
    levels, width = rng.choice(((9, 9), (20, 2), (60, 3))), 0
    depth, width = levels
    kind = rng.randrange(5)
    lines = ["l0: &l0 [1, 2]" if kind != 2 else "l0: &l0 {a: 1}"]
    for level in range(1, depth):
        inner = ", ".join([f"*l{level - 1}"] * width)
        if kind == 0:
            lines.append(f"l{level}: &l{level} [{inner}]")
        elif kind == 1:
            pairs = ", ".join(f"k{index}: *l{level - 1}" for index in range(width))
            lines.append(f"l{level}: &l{level} {{{pairs}}}")
        elif kind == 2:
            lines.append(f"l{level}: &l{level} {{<<: [{inner}], b{level}: 1}}")
        elif kind == 3:
            lines.append(f"l{level}: &l{level} {{? [{inner}] : 1}}")
        else:
            lines.append(f"l{level}: &l{level} [*l{level}]")
    bomb = "\n".join(lines).encode() + b"\n"
    name = content.partition(b":")[0] or b"bits"
    return rng.choice(
        (
            bomb,
            content + b"\n" + bomb,
            bomb + name + b": *l%d\n" % (depth - 1),
            bomb + name + b": [*l%d]\n" % (depth - 1),
        )
    )


def many_keys(rng: random.Random, content: bytes) -> bytes:
    """As many entries as a file of a megabyte has room for."""
    count = rng.choice((300, 3_000, 30_000))
    form = rng.choice(("k{}: 1\n", "- {}\n", "k{}: {{a: 1}}\n", "? k{}\n"))
    return "".join(form.format(index) for index in range(count)).encode()[: 1 << 20]


def long_line(rng: random.Random, content: bytes) -> bytes:
    """A word, a number or a field longer than any."""
    at = rng.randint(0, len(content))
    size = rng.choice((5_000, 200_000))
    return content[:at] + rng.choice((b"x", b"9", b'"', b"[", b"\xc3\xa9", b" ", b"#")) * size + content[at:]


def members(rng: random.Random, content: bytes) -> bytes:
    """A zip archive whose members are others: changed, renamed, doubled, gone, packed, or bombs."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            found = [(one.filename, archive.read(one)) for one in archive.infolist()]
    except Exception:  # it is no whole archive any more
        return content
    for _ in range(rng.choice((1, 1, 2))):
        index = rng.randrange(len(found)) if found else 0
        name, inner = found[index] if found else ("x", b"")
        what = rng.randrange(11)
        if what == 0 and found:
            del found[index]
        elif what == 1:
            found.append((name, inner))
        elif what == 2:
            found.append((rng.choice(("../up.npy", "/abs.npy", "", "a/" * 200, "\ud83d\ude00.npy", "x" * 5000)), inner))
        elif what == 3 and found:
            found[index] = (name, inner + b"\0" * rng.choice((1, 100, 30 << 20)))
        elif found:
            found[index] = (name, rng.choice((*BYTES, npy_head, npy_head, json_text))(rng, inner))
    stream = io.BytesIO()
    kind = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2))
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w", kind) as archive:
        warnings.simplefilter("ignore")
        for name, inner in found:
            archive.writestr(name, inner)
    packed = stream.getvalue()
    return number(rng, packed) if rng.random() < 0.2 else packed


def npy_head(rng: random.Random, content: bytes) -> bytes:
    """An array whose header says something else of the same values."""
    if not content.startswith(b"\x93NUMPY"):
        return content
    kinds = (
        "|u1",
        "<i8",
        "<f4",
        "<f8",
        "<U4",
        "|O",
        "|b1",
        "<c16",
        "<M8[s]",
        ">u2",
        "|V8",
        "|S3",
        "<U1000000000",
        "zz",
        "",
    )
    shapes = (
        "()",
        "(0,)",
        "(6,)",
        "(-1,)",
        "(6, 16, 16, 3)",
        "(2**70,)",
        "(1 << 40, 3)",
        "(6, 16, 16)",
        "6",
        "None",
        "(True,)",
    )
    said = (
        f"{{'descr': {rng.choice(kinds)!r}, 'fortran_order': {rng.choice(('False', 'True', '1', 'None'))}, "
        f"'shape': {rng.choice((*shapes, '(' + '1,' * 5000 + ')', '(' * 200 + ')' * 200))}, }}"
    )
    head = said.encode() + b"\n"
    version = rng.choice((1, 1, 2, 3, 9))
    length = struct.pack("<H" if version == 1 else "<I", rng.choice((len(head), len(head), 0, 65535)) & 0xFFFF)
    return b"\x93NUMPY" + bytes((version, 0)) + length + head + content[128:]


def safetensors_head(rng: random.Random, content: bytes) -> bytes:
    """The JSON before the tensors is another."""
    size = int.from_bytes(content[:8], "little")
    head = json_text(rng, content[8 : 8 + size])
    length = rng.choice((len(head), len(head), len(head), 0, 2**40, 2**63))
    return length.to_bytes(8, "little") + head + content[8 + size :]


def table(rng: random.Random, content: bytes) -> bytes:
    """Parquet of other columns, types and values; its checksum is to be made anew."""
    try:
        file = pq.ParquetFile(io.BytesIO(content))
        found, sizes = file.read(), [file.metadata.row_group(at).num_rows for at in range(file.metadata.num_row_groups)]
    except Exception:  # it is no whole table any more
        return content
    for _ in range(rng.choice((1, 1, 2))):
        index = rng.randrange(found.num_columns) if found.num_columns else 0
        rows, name = found.num_rows, found.column_names[index] if found.num_columns else "x"
        what = rng.randrange(7)
        if what == 0 and found.num_columns > 1:
            found = found.remove_column(index)
        elif what == 1:
            found = found.slice(0, rng.choice((0, 1, max(0, rows - 1))))
        elif what == 2:
            found = pa.concat_tables([found] * rng.choice((2, 3)))
        elif what == 3:
            found = found.append_column(rng.choice((name, "x", "")), pa.array([None] * rows))
        elif what == 4:
            metadata = dict(found.schema.metadata or {})
            for key in metadata:
                metadata[key] = rng.choice((b"", b"[" * 100_000, b"null", b"[1]", b"{}", b"\xff", metadata[key]))
            found = found.replace_schema_metadata(metadata)
        elif what < 9:
            kind = found.schema.field(index).type
            # One and the same for many rows, or one each.
            draw = rng.choice((rng, _Same(rng.random())))
            values = [_value(rng, draw, kind, value) for value in found.column(index).to_pylist()]
            found = found.set_column(index, found.schema.field(index), pa.array(values, kind))
        else:
            found = found.set_column(index, name, _column(rng, rows))
    stream, begin = io.BytesIO(), 0
    with pq.ParquetWriter(stream, found.schema) as writer:
        for size in sizes if sum(sizes) == found.num_rows else [found.num_rows]:
            writer.write_table(found.slice(begin, size))
            begin += size
    return stream.getvalue()


_NUMBERS = {"f": (math.nan, math.inf, -math.inf, -1.0, 0.0, 1.0, 2.0, 1e30), "i": (-(2**31), -1, 0, 1, 2**31 - 1)}


class _Same(random.Random):
    """Draws the same again and again."""

    def __init__(self, drawn: float) -> None:
        super().__init__()
        self._drawn = drawn

    def random(self) -> float:
        """What was drawn."""
        return self._drawn


def _value(rng: random.Random, draw: random.Random, kind: Any, value: Any) -> Any:
    """Another one of the same type, or the same."""
    if rng.random() < 0.3:
        return value
    for is_kind, choices in ((pa.types.is_floating, _NUMBERS["f"]), (pa.types.is_integer, _NUMBERS["i"])):
        if is_kind(kind):
            return choices[int(draw.random() * len(choices))]
    if pa.types.is_boolean(kind):
        return draw.random() < 0.5
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        return [_value(rng, draw, kind.value_type, one) for one in value]
    return value


def _column(rng: random.Random, rows: int) -> Any:
    kinds = (
        pa.array([None] * rows, pa.int32()),
        pa.array(["x"] * rows),
        pa.array([b"\xff"] * rows),
        pa.array([float("nan")] * rows),
        pa.array([float("inf")] * rows, pa.float32()),
        pa.array([-1] * rows, pa.int8()),
        pa.array([2**62] * rows, pa.int64()),
        pa.array([2**63] * rows, pa.uint64()),
        pa.array([[1] * 5] * rows, pa.list_(pa.int32(), 5)),
        pa.array([[2**30] * 5] * rows, pa.list_(pa.int32(), 5)),
        pa.array([[1] * index for index in range(rows)], pa.list_(pa.int32())),
        pa.array([{"a": 1}] * rows),
        pa.array([True] * rows),
        pa.array(["y"] * rows).dictionary_encode(),
    )
    return rng.choice(kinds)


def mutated(rng: random.Random, content: bytes, mutators: Sequence[Mutator]) -> bytes:
    """One to three of them, one after the other."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        with contextlib.suppress(
            ArithmeticError, LookupError, OSError, RuntimeError, TypeError, ValueError, zlib.error
        ):
            content = rng.choice(mutators)(rng, content)  # what it cannot change any more stays as it is
    return content


JSON: tuple[Mutator, ...] = (*BYTES, *([json_text] * 12), deep, long_line)
JSON_LINES: tuple[Mutator, ...] = (*BYTES, *([json_lines] * 8), deep, long_line)
YAML: tuple[Mutator, ...] = (*BYTES, aliases, aliases, many_keys, deep, long_line)
TEXT: tuple[Mutator, ...] = (*BYTES, long_line, many_keys, insert)
ZIP: tuple[Mutator, ...] = (*BYTES, *([members] * 6))
NPY: tuple[Mutator, ...] = (*BYTES, *([npy_head] * 5))
TABLE: tuple[Mutator, ...] = (flip, cut, other, *([table] * 9))
