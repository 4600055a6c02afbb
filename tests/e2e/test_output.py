"""What the command prints: all, the verdict alone, or JSON; and nothing from a name that a terminal would obey."""

import json
import re
import xml.etree.ElementTree as ET

import pytest
from conftest import bench, make_folders, make_model
from markdown_it import MarkdownIt

# Any sign that is none: a terminal would obey it, or nobody would see it.
UNSEEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("output")
    model = make_model(root / "[red]net\x1b[31m\u202e.onnx")
    data = make_folders(root / "te\x07st", images=6)
    calib = make_folders(root / "calib", images=4, seed=1)
    words = ["--model", model, "--size", "16", "--data", data, "--calib", calib, "--out", root / "run"]
    words += ["--conditions", "clean", "--conditions", "corruption/*noise@3", "--advisory"]
    return root / "run", words, bench(words)


def test_hostile_names_are_text_in_all_that_is_printed(world):
    _, _, done = world
    assert done.returncode == 0, done.stderr
    for text in (done.stdout, done.stderr):
        assert UNSEEN.search(text) is None
    assert "[red]net?[31m? on 24 images of te?st" in done.stdout


def test_progress_that_is_not_watched_is_lines(world):
    lines = world[2].stderr.splitlines()
    assert any(re.fullmatch(r"Running trials: done, \d+ images in .*", line) for line in lines)


def test_the_verdict_stands_at_the_end(world):
    run, _, done = world
    lines = done.stdout.splitlines()
    assert lines[-1] == f"Report: {run / 'report.html'}"
    last = next(place for place, line in enumerate(lines) if line.startswith("Verdict: "))
    assert any("─" in line for line in lines[:last])
    assert not any("─" in line for line in lines[last:])  # no table behind it


def test_quiet_prints_the_verdict_alone(world):
    run, words, whole = world
    done = bench([*words, "--quiet"])
    assert (done.returncode, done.stderr) == (whole.returncode, "")
    assert done.stdout.startswith("Verdict: ")
    assert done.stdout.endswith(f"Report: {run / 'report.html'}\n")
    assert set(done.stdout.splitlines()) <= set(whole.stdout.splitlines())
    assert "─" not in done.stdout


def test_json_is_the_summary_and_nothing_else(world):
    run, words, _ = world
    done = bench([*words, "--json"])
    assert done.stdout == (run / "summary.json").read_text(encoding="utf-8")
    assert json.loads(done.stdout)["model"]["name"] == "[red]net\x1b[31m\u202e"
    assert UNSEEN.search(done.stdout) is None  # JSON's escapes stand for them
    assert bench([*words, "--json", "--quiet"]).stderr == ""


def test_json_is_for_runs_that_are_judged(world):
    done = bench([*world[1], "--build-only", "--json"])
    assert done.returncode == 2
    assert "--build-only" in done.stderr


@pytest.mark.parametrize("command", ["build", "quantize", "diff"])
def test_other_commands_are_quiet_too(world, tmp_path, command):
    words = world[1][:8] if command == "diff" else [*world[1][:4], *world[1][6:8]]  # the others take no test images
    done = bench([command, *words, "--quiet", "--out", tmp_path / ("out.md" if command == "diff" else "out.onnx")])
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "[red]net" in done.stdout or command != "diff"
    assert UNSEEN.search(done.stdout) is None


def test_what_ci_systems_read_holds_hostile_names_as_text(world):
    run = world[0]
    page = (run / "report.md").read_text(encoding="utf-8")
    assert UNSEEN.search(page.replace("\u2060", "")) is None
    html = MarkdownIt("gfm-like", {"linkify": False}).render(page)
    assert "<code>[red]net?[31m?</code>" in html
    assert ET.parse(run / "junit.xml").find("testsuite").get("tests") != "0"


@pytest.mark.parametrize("columns", ["40", "80"])
def test_no_line_of_a_table_is_cut_off(world, columns):
    done = bench(world[1], COLUMNS=columns)
    assert "…" not in done.stdout
    for target in ("onnxruntime/fp32@cpu", "onnxruntime/int8@cpu"):
        assert target in done.stdout
    wide = [line for line in done.stdout.splitlines() if len(line) > int(columns)]
    assert all(line.startswith(("Report: ", "    python bench.py ")) for line in wide)  # what is copied
