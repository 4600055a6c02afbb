"""What CI systems read of a run, and the jobs of docs/ci.md, their shell steps run as they stand there."""

import json
import os
import re
import shlex
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest
import yaml
from conftest import ROOT, bench, make_folders, make_model

from seatrial.harness.command import parse_flags
from seatrial.harness.command.config import read_config
from seatrial.harness.command.run import make_parser, spec_of

PAGE = (ROOT / "docs/ci.md").read_text(encoding="utf-8")
FILES = ("report.md", "junit.xml", "metrics.json", "bencher.json")
# Small enough for a test; the page's own is read, not run.
ASKED = {
    "model": "model.onnx",
    "size": 16,
    "data": "test",
    "calib": "calib",
    "conditions": ["clean", "corruption/fog@*"],
    "starts": 1,
    "duration": 0.001,
    "timing-budget": 0,
    "end-to-end": "none",
}


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def job(name):
    return yaml.safe_load(next(one for one in blocks("yaml") if name in one))


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A repository with a model, and on its PATH the command, and what stands for programs that a test has not."""
    root = tmp_path_factory.mktemp("project")
    make_model(root / "model.onnx")
    make_folders(root / "test", images=6)
    make_folders(root / "calib", images=4, seed=1)
    (root / "seatrial.yaml").write_text(yaml.safe_dump(ASKED))
    programs = root / "bin"
    programs.mkdir()
    told = f'printf "%s\\n" "${{0##*/}} $*" >> {shlex.quote(str(root / "told"))}\n'
    for name in ("pip", "gh", "bencher"):
        (programs / name).write_text(f"#!/bin/sh\n{told}")
    (programs / "seatrial").write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT / "bench.py"} "$@"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    return root


def shell(project, steps, **more):
    """As GitHub's and GitLab's runners do: the first step that fails ends the job."""
    path = f"{project / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, **more}
    script = "set -e\n" + "\n".join(steps)
    return subprocess.run(
        ["sh", "-c", script], cwd=project, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def github(project):
    """The GitHub job, run."""
    steps = [step["run"] for step in job("runs-on")["jobs"]["sea-trial"]["steps"] if "run" in step]
    page = project / "page.md"
    done = shell(project, steps, GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(page), PR="7")
    assert done.returncode in (0, 1), done.stderr
    return done, page


def test_the_file_on_the_page_is_one_that_can_be_asked(tmp_path):
    path = tmp_path / "seatrial.yaml"
    path.write_text(next(one for one in blocks("yaml") if "suite:" in one))
    spec = spec_of(parse_flags(make_parser(), ["--config", str(path)]))
    assert (spec.source.model, spec.conditions.suite) == ("model.onnx", "quick")
    assert read_config(path)["engine"] == ["onnxruntime"]


def test_the_job_for_github_tests_the_model(project, github):
    done, page = github
    run = project / "runs/model"
    summary = json.loads((run / "summary.json").read_text())
    assert page.read_text() == (run / "report.md").read_text() + "\n"
    assert f"Verdict: {summary['gate']['verdict']}" in done.stdout
    open_ = sum(check["answer"] != "pass" for check in summary["gate"]["checks"])
    commands = [line for line in done.stdout.splitlines() if re.match("::(error|warning) ", line)]
    assert len(commands) == min(open_, 10)


def test_no_name_that_is_printed_is_a_command_to_the_runner(github):
    lines = github[0].stdout.splitlines()
    stopped = lines.index(next(line for line in lines if line.startswith("::stop-commands::")))
    token = lines[stopped].rpartition("::")[2]
    assert len(token) >= 32
    resumed = lines.index(f"::{token}::")
    assert stopped < resumed
    assert any("onnxruntime/int8@cpu" in line for line in lines[stopped:resumed])
    assert all(not line.startswith("::") or line[2:].startswith(("error", "warning")) for line in lines[resumed + 1 :])


def test_the_job_for_github_comments_and_the_job_for_gitlab_reports(project, github):
    steps = job("reports:")["sea-trial"]
    done = shell(project, steps["script"])
    assert done.returncode == github[0].returncode
    assert "::" not in done.stdout
    tests = ET.parse(project / steps["artifacts"]["reports"]["junit"]).findall("testsuite/testcase")
    checks = json.loads((project / "runs/model/summary.json").read_text())["gate"]["checks"]
    assert [case.get("classname") for case in tests] == [check["target"] for check in checks]
    told = (project / "told").read_text()
    assert "pip install seatrial[cpu]\n" in told
    if github[0].returncode == 0:
        assert "gh pr comment 7 --edit-last --create-if-none --body-file runs/model/report.md\n" in told


def test_the_other_lines_of_the_page_run(project, github):
    verdict = json.loads((project / "runs/model/summary.json").read_text())["gate"]["verdict"]
    done = shell(project, [line for line in blocks("sh")[1].splitlines() if not line.startswith("#")])
    assert done.stdout.splitlines()[-1] == verdict


def test_a_job_compares_with_the_run_that_another_job_kept(project, github):
    kept, fetched = project / "runs/model", project / "runs/before"
    subprocess.run(["cp", "-r", kept, fetched], check=True)  # what gh would fetch
    steps = blocks("sh")[0].replace("--out runs/model", "--out runs/next").splitlines()
    done = shell(project, steps)
    assert done.returncode == github[0].returncode, done.stderr
    assert "onnxruntime/int8@cpu: every image has the class that it had" in done.stdout
    assert "gh run download  --name sea-trial --dir runs/before" in (project / "told").read_text()


def test_a_report_is_written_again_without_running_anything(project, github):
    run = project / "runs/model"
    before = {name: (run / name).read_bytes() for name in (*FILES, "summary.json", "report.html")}
    trials = {path: path.stat().st_mtime_ns for path in (run / "trials").iterdir()}
    for name in before:
        (run / name).unlink()
    done = shell(project, ["seatrial report runs/model --quiet"])
    assert done.returncode == github[0].returncode, done.stderr
    assert done.stdout.startswith("Verdict: ")
    assert {name: (run / name).read_bytes() for name in before} == before
    assert {path: path.stat().st_mtime_ns for path in (run / "trials").iterdir()} == trials


def test_a_run_is_reported_by_other_limits_and_against_another_run(project, github):
    subprocess.run(["cp", "-r", project / "runs/model", project / "runs/again"], check=True)
    (project / "lax.yaml").write_text("recovery: 0\n")
    done = shell(project, ["seatrial report runs/again --gate lax.yaml --baseline runs/model --advisory"])
    assert done.returncode == 0, done.stderr
    page = (project / "runs/again/report.md").read_text()
    assert "## Against the baseline\n\n`model`, on" in page
    assert "| `onnxruntime/int8@cpu` | `clean` | 24 |" in page
    gate = json.loads((project / "runs/again/summary.json").read_text())["gate"]
    assert gate["gate"] == "lax.yaml"
    assert gate["limits"]["recovery"]["value"] == 0
    assert any(check["name"].startswith("baseline") for check in gate["checks"])


def test_what_is_no_whole_run_is_not_reported(project, github, tmp_path):
    assert "holds no run" in bench(["report", tmp_path]).stderr
    part = tmp_path / "part"
    subprocess.run(["cp", "-r", project / "runs/model", part], check=True)
    next((part / "trials").iterdir()).unlink()
    done = bench(["report", part])
    assert done.returncode == 2
    assert "is not finished" in done.stderr


def test_json_stays_json_in_a_job(project, github):
    done = shell(project, ["seatrial --config seatrial.yaml --out runs/model --json"], GITHUB_ACTIONS="true")
    assert done.stdout == (project / "runs/model/summary.json").read_text(encoding="utf-8")


def test_a_command_without_a_result_is_an_error_of_the_job(project):
    done = shell(project, ["seatrial --engine none"], GITHUB_ACTIONS="true")
    assert done.returncode == 2
    assert re.search(r"^::error title=seatrial::Unknown engine 'none'", done.stderr, re.MULTILINE)
    assert "::error" not in shell(project, ["seatrial --engine none"]).stderr


@pytest.mark.parametrize("more", [[], ["--json"], ["--quiet"]])
def test_the_status_stands_where_nobody_reads_the_output(project, github, more):
    words = [sys.executable, ROOT / "bench.py", "report", project / "runs/model", *more]
    with subprocess.Popen(words, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        errors = process.stderr.read()
        assert process.wait() == github[0].returncode, errors
    assert "Traceback" not in errors
    assert "Broken" not in errors


def test_a_locale_that_cannot_spell_a_name_ends_nothing(project, github):
    done = shell(
        project,
        ["cp model.onnx 模型.onnx", "seatrial --config seatrial.yaml --model 模型.onnx --advisory"],
        PYTHONIOENCODING="ascii",
    )
    assert done.returncode == 0, done.stderr
    assert "\\u6a21\\u578b on 24 images" in done.stdout


def test_a_page_that_cannot_be_written_fails_nothing(project, github):
    done = shell(project, ["seatrial report runs/model"], GITHUB_STEP_SUMMARY=str(project / "none/page.md"))
    assert done.returncode == github[0].returncode
    assert "The page of this step cannot be written" in done.stderr
