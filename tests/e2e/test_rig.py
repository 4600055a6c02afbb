"""The files of docs/rig.md: asked as they stand there, and their shell steps run with a board that is this machine."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from conftest import ROOT
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from seatrial.harness.command import parse_flags
from seatrial.harness.command.run import make_parser, spec_of
from seatrial.harness.spec.boards import read_boards

PAGE = (ROOT / "docs/rig.md").read_text(encoding="utf-8")
BOARDS = (ROOT / "docs/boards.md").read_text(encoding="utf-8")
# Small enough for a test; the page's own is read, not run.
ASKED = {
    "model": "model.onnx",
    "size": 16,
    "data": "test",
    "calib": "calib",
    "conditions": ["clean"],
    "board": ["pi5"],
    "bits": [8],
    "starts": 1,
    "duration": 0.001,
    "timing-budget": 0,
    "end-to-end": "none",
    "gate": "gate.yaml",
}
GATE = {"recovery": 50}
COLORS = np.array([[220, 60, 60], [60, 220, 60], [60, 60, 220], [150, 150, 150]], np.float32)


def make_right_model(path):
    """Tells four colours apart by the mean of a blurred image."""
    blur = np.zeros((3, 3, 3, 3), np.float32)
    blur[range(3), range(3)] = 1 / 9
    weights = 30 * COLORS / 255
    values = {"blur": blur, "w": weights, "b": -(weights * COLORS / 255).sum(1) / 2, "axes": np.array([2, 3])}
    nodes = [
        helper.make_node("Conv", ["input", "blur"], ["blurred"], kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("Relu", ["blurred"], ["relu"]),
        helper.make_node("ReduceMean", ["relu", "axes"], ["mean"], keepdims=0),
        helper.make_node("Gemm", ["mean", "w", "b"], ["logits"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "colors",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3, 16, 16])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 4])],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)


def make_colored_folders(root, seed):
    rng = np.random.default_rng(seed)
    for label, color in enumerate(COLORS):
        (root / f"class{label}").mkdir(parents=True)
        for index in range(8):
            pixels = np.clip(color + rng.normal(0, 30, (16, 16, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / f"class{label}/{index}.png")


def blocks(language, page=PAGE):
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def yaml_with(name):
    return next(one for one in blocks("yaml") if name in one)


@pytest.fixture(scope="module")
def rig(tmp_path_factory, ssh_server):
    """The host of a rig: its files, and on its PATH the command and a calendar."""
    root = tmp_path_factory.mktemp("rig")
    make_right_model(root / "model.onnx")
    make_colored_folders(root / "test", 0)
    make_colored_folders(root / "calib", 1)
    (root / "rig.yaml").write_text(yaml.safe_dump(ASKED))
    (root / "gate.yaml").write_text(yaml.safe_dump(GATE))
    described = {"ssh": ["-F", str(ssh_server.config)], "python": sys.executable}
    described["lease_file"] = str(ssh_server.folder / "lease")
    (root / "boards.yaml").write_text(yaml.safe_dump({"pi5": described}))
    (root / "nightly.sh").write_text(next(one for one in blocks("sh") if one.startswith("#!/bin/sh")))
    programs = root / "bin"
    programs.mkdir()
    (programs / "date").write_text('#!/bin/sh\necho "$TODAY"\n')
    (programs / "seatrial").write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT / "bench.py"} "$@"\n')
    for program in (*programs.iterdir(), root / "nightly.sh"):
        program.chmod(0o755)
    return root


def shell(rig, script, **more):
    environment = {**os.environ, "PATH": f"{rig / 'bin'}{os.pathsep}{os.environ['PATH']}", **more}
    return subprocess.run(
        ["sh", "-ec", script], cwd=rig, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


def test_the_files_on_the_page_can_be_asked(tmp_path):
    (tmp_path / "gate.yaml").write_text(yaml_with("recovery:"))
    asked = yaml.safe_load(yaml_with("suite:"))
    (tmp_path / "rig.yaml").write_text(yaml.safe_dump({**asked, "gate": str(tmp_path / "gate.yaml")}))
    spec = spec_of(parse_flags(make_parser(), ["--config", str(tmp_path / "rig.yaml")]))
    assert {target.id for target in spec.targets.asked} == {
        f"onnxruntime/{precision}@{board}/cpu" for precision in ("fp32", "int8") for board in ("pi5", "orin")
    }


@pytest.mark.parametrize("text", [one for one in blocks("yaml", BOARDS) if "alias:" in one])
def test_the_boards_on_their_page_can_be_described(text, tmp_path):
    path = tmp_path / "boards.yaml"
    path.write_text(text)
    assert set(read_boards(path)) == {"pi5", "orin"}


@pytest.mark.parametrize("page", ["jetson", "raspberry-pi"])
def test_the_boards_of_other_pages_can_be_described_and_every_command_there_has_its_mark(page, tmp_path):
    text = (ROOT / f"docs/boards/{page}.md").read_text(encoding="utf-8")
    path = tmp_path / "boards.yaml"
    path.write_text(blocks("yaml", text)[0])
    assert read_boards(path)
    for line in text.splitlines():
        if line.startswith("| `"):
            assert re.search(r"\| (not )?tried[^|]*\|$", line), line


def test_a_night_compares_with_the_last_one_that_passed(rig):
    first = shell(rig, "./nightly.sh", TODAY="2030-01-01")
    assert first.returncode == 0, first.stdout
    assert (rig / "runs/last").readlink() == Path("2030-01-01")
    assert (rig / "runs/2030-01-01/junit.xml").is_file()
    summary = json.loads((rig / "runs/2030-01-01/summary.json").read_text())
    assert "onnxruntime/int8@pi5/cpu" in [target["id"] for target in summary["targets"]]

    (rig / "gate.yaml").write_text(yaml.safe_dump({**GATE, "size": 1e-6}))
    worse = shell(rig, "./nightly.sh", TODAY="2030-01-02")
    (rig / "gate.yaml").write_text(yaml.safe_dump(GATE))
    assert worse.returncode == 1, worse.stderr
    assert "every image has the class that it had" in worse.stdout
    assert (rig / "runs/last").readlink() == Path("2030-01-01")


def test_the_jobs_keep_their_runs_outside_and_show_them(rig):
    github = yaml.safe_load(yaml_with("self-hosted"))["jobs"]["sea-trial"]
    gitlab = yaml.safe_load(yaml_with("resource_group"))["rig"]
    steps = [line for step in github["steps"] if "run" in step for line in step["run"].splitlines()]
    assert [*gitlab["script"], *gitlab["after_script"]] == steps
    done = shell(rig, "\n".join(steps), TODAY="2030-02-01", RUNS=str(rig / "outside"))
    assert done.returncode == 0, done.stderr
    assert (rig / "outside/last").readlink() == Path("2030-02-01")
    assert (rig / github["steps"][-1]["with"]["path"] / "report.html").is_file()
    assert (rig / gitlab["artifacts"]["reports"]["junit"]).is_file()


def test_units_and_crontab_are_what_they_should_be():
    service, timer = blocks("ini")
    assert "ExecStart=/home/rig/nightly.sh" in service
    assert "OnCalendar=*-*-* 02:30" in timer
    assert re.search(r"^```\n30 2 \* \* \* /home/rig/nightly\.sh >> ", PAGE, re.MULTILINE)
