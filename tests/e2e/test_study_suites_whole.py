"""`--suite robustmq` and `--suite merkel` with variants, as whole commands; one is killed and goes on."""

import json
import signal
import subprocess
import sys
import time

import pytest
from conftest import ROOT, bench
from quick_timing import QUICK_TIMING
from trial_files import trials

KEPT = ROOT / "docs/studies/robustmq/networks"
ROBUSTMQ = ("clean", "corruption/*@5", "pipeline/*", "attack/fgsm-linf@*", "attack/pgd-linf@2*")
CLAIMED = {"holds", "does not hold", "cannot be told"}


@pytest.fixture
def words(shared):
    """ResNet-20, a network of 4 bits and one of 2, in fp32 and as their files say."""
    cifar = shared / "data/cifar10"
    found = ["--model", shared / "models/cifar10_resnet20.onnx", "--preset", "cifar10", "--bits", 32, "--advisory"]
    found += ["--data", cifar / "test.npz", "--limit", 24, "--batch-size", 8]
    found += ["--variant", f"lsq-w4a4={KEPT / 'lsq-w4a4.onnx'}", "--variant", f"lsq-w2a2={KEPT / 'lsq-w2a2.onnx'}"]
    return list(map(str, found))


def ran(arguments):
    done = bench(arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows_of(root):
    return {pair: table.to_pydict() for pair, table in trials(root).items()}


def asked(globs):
    return [word for glob in globs for word in ("--conditions", glob)]


@pytest.mark.long
def test_robustmq_answers_its_sentences_and_a_killed_run_gives_the_same(words, tmp_path):
    command = [*words, "--suite", "robustmq", *asked(ROBUSTMQ)]
    text = ran([*command, "--out", tmp_path / "whole"])
    summary = json.loads((tmp_path / "whole/summary.json").read_text())
    study = summary["study"]
    assert {tuple(row["bits"]) for row in study["rows"]} == {(32, 32), (4, 4), (2, 2)}
    assert all(row["nr"] and row["ar"] and row["wcar"] for row in study["rows"])
    assert {claim["answer"] for claim in study["claims"]} <= CLAIMED
    assert any(claim["figure"] is not None for claim in study["claims"])
    for claim in study["claims"]:
        assert claim["sentence"] in (tmp_path / "whole/report.md").read_text() or claim["sentence"] in text

    cut = tmp_path / "cut"
    killed = 0
    while killed < 3:
        before = len(list(cut.glob("trials/[!.]*.parquet")))
        process = subprocess.Popen(
            [sys.executable, ROOT / "bench.py", *command, *QUICK_TIMING, "--out", cut],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while process.poll() is None and len(list(cut.glob("trials/[!.]*.parquet"))) < before + 8:
            time.sleep(0.02)
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed += 1
    assert killed
    ran([*command, "--out", cut])
    assert rows_of(cut) == rows_of(tmp_path / "whole")
    again = json.loads((cut / "summary.json").read_text())["study"]
    assert again == study


@pytest.mark.long
def test_merkel_s_curves_cross_or_it_is_said_that_they_do_not(words, tmp_path):
    command = [*words, "--suite", "merkel", *asked(("clean", "attack/fgsm-linf@*"))]
    ran([*command, "--target", "onnxruntime/sim-w1", "--target", "onnxruntime/sim-w4", "--out", tmp_path / "run"])
    study = json.loads((tmp_path / "run/summary.json").read_text())["study"]
    assert study["suite"] == "merkel"
    weights = {row["bits"][0] for row in study["rows"]}
    assert {32, 1, 4} <= weights
    assert {claim["answer"] for claim in study["claims"]} <= CLAIMED
