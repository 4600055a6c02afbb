"""Archives of the kit: what is written is read, what a stranger sends is checked, and the table tells no more."""

import dataclasses
import json
import os
import struct
import zipfile

import pytest
from gpukit import archive, hardware
from gpukit.results import Done, Result

from seatrial.engines.cpu import Processor
from seatrial.engines.hardware import Ran, gpu_family, known_runs, last_run, latest, processor_family, ran_of
from seatrial.errors import BadInputError
from seatrial.harness.doctor.hardware import families, last_runs
from seatrial.harness.report.doctor import unseen_lines

L4 = Ran("tensorrt", "cuda", "Ada (8.9)", "int8", "11.4.0.106", "NVIDIA L4", "590.1", "2026-10-01", True, 0.99, 0.0631)


def kit_of(*runs, **changes):
    return json.dumps(
        {"schema": 1, "runs": [run.to_dict() if isinstance(run, Ran) else run for run in runs], **changes}
    )


@pytest.fixture
def zipped(tmp_path):
    def make(*members, name="kit.zip"):
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as file:
            for member, content in members:
                file.writestr(member, content)
        return tmp_path / name

    return make


def test_what_is_written_is_read(tmp_path):
    work = tmp_path / "work"
    (work / "logs").mkdir(parents=True)
    (work / "logs/one.log").write_text("said")
    (work / "link").symlink_to("/etc/passwd")
    with (work / "large").open("wb") as file:
        file.truncate((64 << 20) + 1)
    done = [Done("one", Result("passed", "", {"p50": 1.0}, (L4.to_dict(),)), 1.0, "logs/one.log")]
    left_out = archive.write(work, tmp_path / "found.zip", done, {"kit": "gpu"})
    assert left_out == ["large"]
    with zipfile.ZipFile(tmp_path / "found.zip") as file:
        assert sorted(file.namelist()) == ["kit.json", "logs/one.log"]
    assert archive.read_runs(tmp_path / "found.zip") == [L4]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "null",
        '{"schema": 2, "runs": []}',
        '{"schema": 1, "runs": {}}',
        kit_of(*[L4] * 1001),
        kit_of("text"),
        kit_of({**L4.to_dict(), "more": 1}),
        "[" * 100_000,
        '{"schema": 1, "runs": [' + "9" * 5000 + "]}",
        b"\xff\xfe",
        kit_of() + " " * (16 << 20),
    ],
)
def test_what_is_no_table_of_runs_is_refused(zipped, content):
    with pytest.raises(BadInputError, match="is no archive of make gpu"):
        archive.read_runs(zipped(("kit.json", content)))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("engine", "../../etc"),
        ("engine", None),
        ("hardware", "a | b"),
        ("hardware", "<script>"),
        ("hardware", "x" * 200),
        ("hardware", "line\nbreak"),
        ("family", "[a](b)"),
        ("version", "\x1b[31m"),
        ("version", ["1"]),
        ("driver", "`rm`"),
        ("precision", "fp1"),
        ("precision", ["int8"]),
        ("date", "2026-13-01"),
        ("date", "20261001"),
        ("date", 5),
        ("passed", 1),
        ("share", float("nan")),
        ("share", 1.5),
        ("share", True),
        ("p50_ms", -1),
        ("p50_ms", "1"),
    ],
)
def test_a_field_that_none_of_ours_would_write_is_refused(zipped, field, value):
    with pytest.raises(BadInputError, match=f"a run whose {field} is"):
        archive.read_runs(zipped(("kit.json", kit_of({**L4.to_dict(), field: value}))))


def test_files_that_are_no_archives_are_refused(zipped, tmp_path):
    (tmp_path / "text").write_text("kit.json")
    whole = zipped(("kit.json", kit_of(L4))).read_bytes()
    (tmp_path / "half").write_bytes(whole[: len(whole) // 2])
    flipped = bytearray(whole)
    flipped[60] ^= 255
    (tmp_path / "flipped").write_bytes(flipped)
    locked = bytearray(whole)  # says that it is encrypted, in both headers
    for header, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = locked.index(header) + at
        locked[start : start + 2] = struct.pack("<H", 1)
    (tmp_path / "locked").write_bytes(locked)
    os.mkfifo(tmp_path / "pipe")
    none = zipped(("other.json", "{}"), name="none.zip")
    many = zipped(("kit.json", kit_of()), *((str(number), "") for number in range(5001)), name="many.zip")
    for path in (
        *(tmp_path / name for name in ("text", "half", "flipped", "locked", "pipe", "absent")),
        none,
        many,
        tmp_path,
    ):
        with pytest.raises(BadInputError):
            archive.read_runs(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_tables_are_none(zipped):
    with pytest.raises(BadInputError, match=r"2 members kit\.json"):
        archive.read_runs(zipped(("kit.json", kit_of(L4)), ("kit.json", kit_of())))


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The table's two files, empty, in a folder of their own."""
    monkeypatch.setattr(hardware, "FILE", tmp_path / "hardware.json")
    monkeypatch.setattr(hardware, "PAGE", tmp_path / "hardware.md")
    hardware.FILE.write_text('{"schema": 1, "runs": []}')


def test_the_table_is_filled_from_archives_and_the_latest_counts(own, zipped):
    later = dataclasses.replace(L4, date="2026-11-02", passed=False)
    other = dataclasses.replace(
        L4, version="10.3.0", family="Orin (8.7)", hardware="Jetson AGX Orin", date="2026-11-01"
    )
    paths = [
        zipped(("kit.json", kit_of(later)), name="a.zip"),
        zipped(("kit.json", kit_of(L4, other)), name="b.zip"),
    ]
    assert hardware.fill(paths) == (3, 2)
    assert hardware.fill(paths[1:]) == (2, 2), "an older archive takes nothing away"
    page = hardware.PAGE.read_text()
    rows = [line for line in page.partition("## tensorrt\n")[2].partition("##")[0].splitlines() if "cuda" in line]
    assert len(rows) == 2
    assert "| `cuda` | Ada (8.9): NVIDIA L4, driver 590.1 | 11.4.0.106 | never run |" in rows[0]
    assert "| **failed** 2026-11-02 |" in rows[0]
    assert (
        "| 10.3.0 | never run | never run | never run | never run | 2026-11-01, 0.0631 ms, 99.0% | never run |"
        in rows[1]
    )


def test_a_bad_archive_among_others_changes_nothing(own, zipped, tmp_path):
    before = hardware.FILE.read_text()
    (tmp_path / "bad.zip").write_text("")
    with pytest.raises(BadInputError, match=r"bad\.zip"):
        hardware.fill([zipped(("kit.json", kit_of(L4))), tmp_path / "bad.zip"])
    assert hardware.FILE.read_text() == before
    assert not hardware.PAGE.exists()


def test_the_page_in_the_documentation_is_that_of_the_table():
    assert hardware.PAGE.read_text() == hardware.page(known_runs())


def test_runs_go_to_json_and_back():
    assert ran_of(json.loads(json.dumps(L4.to_dict()))) == L4
    assert latest(known_runs()) == list(known_runs())


def test_hardware_has_families():
    assert [gpu_family(one) for one in ("8.9", "12.1", "99.0", None)] == [
        "Ada (8.9)",
        "GB10 (12.1)",
        "compute capability (99.0)",
        None,
    ]
    assert processor_family(Processor("x86_64", frozenset({"avx2", "avx_vnni"}))) == "x86-64 with VNNI"
    assert processor_family(Processor("aarch64", frozenset({"asimddp"}))) == "aarch64 with DOTPROD"
    assert processor_family(Processor("riscv64", frozenset())) == "riscv64"


def test_a_run_of_the_same_version_counts_before_a_later_one_of_another():
    newer = dataclasses.replace(L4, version="11.5", date="2026-12-01")
    what = ("tensorrt", "cuda", "int8", "Ada (8.9)")
    assert last_run([L4, newer], *what, "11.4.0.106") == L4
    assert last_run([L4, newer], *what, "11.3") == newer
    assert last_run([L4], "tensorrt", "cuda", "int8", "Hopper (9.0)", "11.4.0.106") is None


def test_the_doctor_says_what_nobody_has_run_on_such_hardware():
    engine = {
        "name": "tensorrt",
        "version": "11.4.0.106",
        "on": {"cuda": {"precisions": ["fp32", "fp16", "int8"]}, "dla": {"precisions": []}},
    }
    known = families(Processor("x86_64", frozenset()), [{"compute_capability": "8.9"}])
    runs = [L4, dataclasses.replace(L4, precision="fp16", version="11.2")]
    found = last_runs(engine, known, runs)
    assert found["cuda"]["fp32"] is None
    assert found["cuda"]["int8"] == {"date": L4.date, "version": L4.version, "hardware": "NVIDIA L4", "passed": True}
    assert unseen_lines([{**engine, "last_runs": found}]) == [
        "tensorrt 11.4.0.106 on cuda: fp32 never run by anybody on such hardware (docs/hardware.md).",
        "tensorrt 11.4.0.106 on cuda: fp16 ran on such hardware as 11.2, 2026-10-01.",
    ]
    failed = last_runs(engine, known, [dataclasses.replace(L4, passed=False)])
    assert "int8 failed on such hardware as 11.4.0.106" in unseen_lines([{**engine, "last_runs": failed}])[1]
    assert last_runs({**engine, "name": "null"}, known, runs) == {}
