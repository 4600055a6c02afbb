"""Files of a run directory after each of their bits has been turned."""

import contextlib
import json
import os
import resource
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seatrial.errors import DamagedError, UnreadableError
from seatrial.harness.records.checked import is_table, read_table, read_values, write_table, write_values
from seatrial.harness.records.mend import drop_damaged
from seatrial.harness.records.rundir import RunDirectory

TABLE = pa.table({"id": pa.array(["a", "b"]), "top": pa.array([3, 4], pa.int32())}).replace_schema_metadata({"of": "x"})
VALUES = {"name": "pi/é", "share": 0.125, "layers": [{"macs": 10**12, "guessed": False}, None], "tuple": (1, 2)}


def flips(path):
    """Turns one bit of a file after the other, and back in the end."""
    content = path.read_bytes()
    for index in range(len(content) * 8):
        changed = bytearray(content)
        changed[index // 8] ^= 1 << index % 8
        path.write_bytes(changed)
        yield index
    path.write_bytes(content)


def test_no_bit_of_a_table_changes_unseen(tmp_path):
    path = tmp_path / "rows.parquet"
    write_table(path, TABLE)
    assert read_table(path).equals(pq.read_table(path))  # any reader of Parquet opens it
    assert read_table(path).select(["id", "top"]).equals(TABLE)
    assert read_table(path).schema.metadata[b"of"] == b"x"
    for _ in flips(path):
        with pytest.raises(DamagedError, match="is damaged"):
            read_table(path)
    assert read_table(path).equals(pq.read_table(path))


def test_no_bit_of_a_json_file_changes_a_value_unseen(tmp_path):
    path = tmp_path / "values.json"
    write_values(path, VALUES)
    plain = json.loads(json.dumps(VALUES))
    assert read_values(path) == plain
    assert {name: value for name, value in json.loads(path.read_text()).items() if name in VALUES} == plain
    found = 0
    for _ in flips(path):
        try:
            assert read_values(path) == plain  # a blank became a tab
        except DamagedError:
            found += 1
    assert found > path.stat().st_size * 4


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sha256": NaN}', "[" * 100_000, '{"a": "\\ud800"}', "\x00"])
def test_what_is_no_checked_file_is_refused(tmp_path, text):
    path = tmp_path / "file"
    path.write_text(text)
    for read in (read_table, read_values):
        with pytest.raises(DamagedError):
            read(path)


def test_damaged_files_of_a_run_are_removed_and_told(tmp_path):
    directory, told = RunDirectory(tmp_path / "run"), []
    drop_damaged(directory, told.append)
    assert told == []
    trials = [directory.trials / f"{digit * 64}.parquet" for digit in "ab"]
    for path in (*trials, directory.latency):
        write_table(path, TABLE)
    for path in (directory.run_json, directory.audit, directory.timing):
        write_values(path, VALUES)
    (directory.trials / "mine.parquet").write_text("another's")
    drop_damaged(directory, told.append)
    assert told == []
    damaged = (trials[0], directory.latency, directory.timing, directory.audit, directory.run_json)
    for path in damaged:
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    drop_damaged(directory, told.append)
    assert not any(path.exists() for path in damaged)
    assert trials[1].exists()
    assert (directory.trials / "mine.parquet").exists()
    assert len(told) == 5
    assert f"{trials[0]} is damaged: the trials that it belongs to are run again." in told
    assert directory.description() is None


def test_a_damaged_description_of_who_knows_what_is_left_alone(tmp_path):
    directory = RunDirectory(tmp_path)
    directory.run_json.write_text('{"of": "another program"}')
    for look in (directory.description, lambda: drop_damaged(directory, print)):
        with pytest.raises(DamagedError):
            look()
    directory.trials.mkdir()
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(DamagedError, match="Choose another folder"):
        directory.description()
    assert directory.run_json.exists()


@contextlib.contextmanager
def no_descriptor():
    """Nothing can be opened meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
    taken = []
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        for one in taken:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_what_the_system_does_not_give_is_not_taken_for_damaged(tmp_path):
    directory, told = RunDirectory(tmp_path / "run"), []
    write_values(directory.timing, VALUES)
    write_table(directory.latency, TABLE)
    for path, read in ((directory.timing, read_values), (directory.latency, read_table), (directory.latency, is_table)):
        with pytest.raises(UnreadableError, match=f"{path} cannot be read: Too many open files. "), no_descriptor():
            read(path)
    with pytest.raises(UnreadableError), no_descriptor():
        drop_damaged(directory, told.append)
    assert told == []
    assert read_values(directory.timing)["name"] == VALUES["name"]
    assert is_table(directory.latency)


DENIED = "setpriv --bounding-set=-dac_override,-dac_read_search"


@pytest.mark.parametrize("name", ["timing.json", "latency.parquet", "trials/{}.parquet".format("a" * 64)])
def test_another_users_file_stays(tmp_path, name):
    """Judged by a process that rights hold for, which is not so for root's own."""
    if subprocess.run(f"{DENIED} true", shell=True, capture_output=True, check=False).returncode:
        pytest.skip("no right can be given up here")
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    write_values(path, VALUES) if path.suffix == ".json" else write_table(path, TABLE)
    path.chmod(0)
    script = (
        "import pathlib, sys; from seatrial.harness.records import mend, rundir; "
        "mend.drop_damaged(rundir.RunDirectory(pathlib.Path(sys.argv[1])), print)"
    )
    words = [*DENIED.split(), sys.executable, "-c", script, tmp_path]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].endswith(
        f"UnreadableError: {path} cannot be read: Permission denied. Make it readable. What is lost for good is made "
        "again once the file is removed."
    )
    assert path.exists()
