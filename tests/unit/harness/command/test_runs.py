"""`runs` lists what a folder holds, whatever that is."""

import datetime
import json
import os
import socket
from pathlib import Path

import pytest
from conftest import bench

from seatrial.harness.records.checked import write_values
from seatrial.harness.typeset.numbers import age


def begun(root, days=0.0, **more):
    root.mkdir()
    started = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=days)).isoformat(
        timespec="seconds"
    )
    values = {
        "started": started,
        "asked": {"targets": ["onnxruntime/fp32@cpu"], "conditions": ["clean"]},
        "identity": {},
    }
    write_values(root / "run.json", {**values, "spec": {"source": {"model": "m.onnx"}}, **more})
    return root


def ended(root, verdict="ACCEPT", **begin):
    begun(root, **begin)
    summary = {"gate": {"verdict": verdict}, "model": {"name": "net"}, "data": {"images": 7}}
    (root / "summary.json").write_text(json.dumps(summary))
    return root


def listed(folder):
    done = bench(["runs", folder, "--json"])
    assert done.returncode == 0
    return {Path(one["path"]).name: one for one in json.loads(done.stdout)}


def test_without_a_folder_it_lists_those_where_runs_lie_by_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = bench(["runs"])
    assert done.returncode == 2
    assert done.stderr.startswith("seatrial: runs cannot be listed: No such file or directory.")
    (tmp_path / "runs").mkdir()
    ended(tmp_path / "runs" / "one")
    assert "ACCEPT" in bench(["runs"]).stdout


def test_verdict_age_model_and_targets_the_newest_first(tmp_path):
    ended(tmp_path / "old", "REGRESSION", days=3)
    ended(tmp_path / "new", days=1)
    begun(tmp_path / "cut", days=2)
    (tmp_path / "nothing").mkdir()
    found = listed(tmp_path)
    assert list(found) == ["new", "cut", "old"]
    assert [(one["state"], one["verdict"], one["model"], one["images"]) for one in found.values()] == [
        ("finished", "ACCEPT", "net", 7),
        ("unfinished", None, "m.onnx", None),
        ("finished", "REGRESSION", "net", 7),
    ]
    assert found["old"]["age_s"] == pytest.approx(3 * 86400, abs=3600)
    assert found["old"]["targets"] == ["onnxruntime/fp32@cpu"]
    assert list(listed(tmp_path / "old")) == ["old"]
    text = bench(["runs", tmp_path]).stdout
    for words in ("REGRESSION", "unfinished", "3 d", "24 h", "onnxruntime/fp32@cpu"):
        assert words in text


def test_a_clock_that_was_ahead_and_a_start_that_is_no_time(tmp_path):
    ended(tmp_path / "ahead", days=-2)
    ended(tmp_path / "never", started="yesterday")
    ended(tmp_path / "number", started=5)
    found = listed(tmp_path)
    assert [found[name]["age_s"] for name in ("ahead", "never", "number")] == [0, None, None]


@pytest.mark.parametrize(
    "content", ["", "[]", "{", "null", "[" * 100_000, '{"sha256": 1}', "\x00", '{"asked": []}', "\ud800"]
)
def test_descriptions_of_all_kinds_are_told_as_damaged(content, tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/run.json").write_bytes(content.encode(errors="surrogatepass"))
    found = listed(tmp_path)["bad"]
    assert (found["state"], found["verdict"]) == ("damaged", None)
    assert found["problem"]


@pytest.mark.parametrize("content", ["[]", "{}", '{"gate": "ACCEPT"}', '{"gate": {"verdict": 5}}', "{"])
def test_summaries_of_all_kinds_too(content, tmp_path):
    (begun(tmp_path / "bad") / "summary.json").write_text(content)
    assert listed(tmp_path)["bad"]["state"] == "damaged"


@pytest.mark.parametrize(
    "asked", [None, [], {"targets": 5, "conditions": {}}, {"targets": [None, {}], "conditions": [5]}, "x"]
)
def test_what_was_asked_may_be_anything(asked, tmp_path):
    begun(tmp_path / "odd", asked=asked, spec=[5], started=None)
    assert listed(tmp_path)["odd"]["state"] in ("damaged", "unfinished")


def test_special_files_and_loops_are_not_waited_for(tmp_path):
    for name in ("pipe", "loop", "folder", "gone", "socket"):
        (tmp_path / name).mkdir()
    os.mkfifo(tmp_path / "pipe/run.json")
    (tmp_path / "loop/run.json").symlink_to(tmp_path / "loop/run.json")
    (tmp_path / "folder/run.json").mkdir()
    (tmp_path / "gone/run.json").symlink_to(tmp_path / "nowhere")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket/run.json"))
    (tmp_path / "self").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "a-pipe")
    found = listed(tmp_path)
    assert set(found) == {"pipe", "loop", "folder", "gone", "socket"}
    assert {one["state"] for one in found.values()} == {"damaged"}


def test_names_that_move_the_terminal_or_are_no_text(tmp_path):
    ended(tmp_path / "red\x1b[31m")
    (tmp_path / os.fsdecode(b"\xff")).mkdir()
    ended(tmp_path / "model", verdict="\x1b[2J\nACCEPT")
    begun(tmp_path / os.fsdecode(b"\xfe"))
    assert len(listed(tmp_path)) == 3
    done = bench(["runs", tmp_path])
    assert done.returncode == 0
    assert "\x1b" not in done.stdout


def test_a_folder_that_cannot_be_listed(tmp_path):
    (tmp_path / "file").write_text("")
    for name in ("none", "file"):
        done = bench(["runs", tmp_path / name])
        assert (done.returncode, done.stdout) == (2, "")
        assert "cannot be listed" in done.stderr
    (tmp_path / "empty").mkdir()
    done = bench(["runs", tmp_path / "empty"])
    assert done.returncode == 0
    assert "No run in" in done.stdout


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (172_800, "2 d"), (1e9, "11574 d")]
)
def test_ages(seconds, said):
    assert age(seconds) == said
