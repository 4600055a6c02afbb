"""The study of RobustMQ: its kept networks are what their names say, and its page says what its runs found."""

import json
import re
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
import yaml

from seatrial.exporters.contract import read_class_names, read_contract
from seatrial.exporters.own_precision import own_precision
from seatrial.harness.spec.variants import named_variant

STUDY = Path(__file__).parents[3] / "docs/studies/robustmq"
LIMIT = 1.2e6  # bytes of a kept file

NETWORKS = dict(named_variant(one) for one in yaml.safe_load((STUDY / "cifar.yaml").read_text())["variant"])


def test_the_kept_networks_are_those_of_the_run_and_of_the_table():
    kept = {path.stem for path in (STUDY / "networks").glob("*.onnx")}
    assert kept == set(NETWORKS) == set(json.loads((STUDY / "networks/networks.json").read_text()))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_kept_network_has_the_precision_of_its_name(name):
    path = STUDY.parents[2] / NETWORKS[name]
    model = onnx.load(path)
    bits = name.removeprefix("float-control").partition("-")[2]
    assert own_precision(model, path) == {"": "fp32", "w8a8": "int8"}.get(bits, f"sim-{bits}")
    contract = read_contract(model)
    assert contract is not None
    assert contract.size == (32, 32)
    assert read_class_names(model)[0] == "airplane"
    assert path.stat().st_size < LIMIT


def rate(value):
    return {"rate": value, "images": 50, "ci95": [value - 0.1, value + 0.1]}


def row(method, bits, clean):
    mean = {"top1": clean - 0.2, "ci95": [clean - 0.25, clean - 0.15], "conditions": 75}
    return {
        "target": f"{method}:onnxruntime/x@cpu",
        "method": method,
        "bits": bits,
        "quantized": method != "float",
        "images": 50,
        "masking": None,
        "guesses": False,
        "clean": {"top1": clean, "ci95": [clean - 0.05, clean + 0.05]},
        "ar": [{"attack": "pgd-linf", "level": "mid", "eps": 2.0, "own": rate(0.3), "transfer": rate(0.7)}],
        "ar_mean": None,
        "wcar": [{"level": "small", "own": rate(0.437), "transfer": None, "all": rate(0.2)}],
        "nr": mean,
        "sr": {**mean, "std": 0.0123, "std_ci95": None},
    }


CLAIM = {
    "id": "bits-corruptions",
    "sentence": "Lower bits are less robust to corruptions",
    "source": "RobustMQ",
    "answer": "cannot be told",
    "of": "mean accuracy, from 8 to 2 bits",
    "figure": -0.0711,
    "ci95": [-0.15, 0.01],
    "why": "Few images.",
    "parts": [{"name": "lsq", "answer": "holds", "figure": -0.12, "ci95": [-0.2, -0.05]}],
    "unit": "points",
}


@pytest.fixture
def page(tmp_path):
    """Makes the page from a template and one run, `cifar`, unless that has no study."""

    def made(template, study):
        summary = {"data": {"images": 50, "name": "test.npz"}, "seed": 0, "study": study}
        summary |= {"timing": {"wall": 600.0, "attacks": 2400.0}, "machine": {"place": {"processor": "A processor"}}}
        summary["targets"] = [{"id": "a", "conditions": {"clean": {}, "blur": {}}}]
        (tmp_path / "runs/cifar").mkdir(parents=True)
        (tmp_path / "runs/cifar/summary.json").write_text(json.dumps(summary))
        (tmp_path / "index.template").write_text(template)
        command = [sys.executable, STUDY / "page.py", "--runs", tmp_path / "runs"]
        command += ["--template", tmp_path / "index.template", "--out", tmp_path]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return made


def test_the_page_has_the_run_s_figures(page, tmp_path):
    study = {"rows": [row("float", [32, 32], 0.9), row("lsq", [2, 2], 0.8)], "claims": [CLAIM], "notes": []}
    names = ("facts", "overview", "claims", "claims-by-method", "attacks", "worst", "notes", "plots")
    done = page("\n".join(f"{{{{ cifar {name} }}}}" for name in names), study)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "index.md").read_text()
    assert "50 images of `test.npz`, 1 targets, 2 conditions, seed 0." in text
    assert "Adversarial images took 40 minutes, trials 10, on A processor." in text
    assert "| lsq 2/2 | 80.0 [75.0, 85.0] | - | 43.7 [33.7, 53.7] | 20.0 [10.0, 30.0] | 60.0 [55.0, 65.0] |" in text
    assert "60.0 [55.0, 65.0] ± 1.23" in text
    assert "| **cannot be told** | -7.1 [-15.0, 1.0] |" in text
    assert "| lsq | **holds** | -12.0 [-20.0, -5.0] |" in text
    assert "| lsq 2/2 | - / 30 / - |" in text
    drawn = {path.name for path in tmp_path.glob("*.svg")}
    assert drawn == {"cifar-noise.svg", "cifar-worst.svg", "cifar-attacks-mid.svg"}
    assert all(f"({name})" in text for name in drawn)
    assert "{{" not in text


def test_sentences_take_their_figures_from_the_run(page, tmp_path):
    rows = [row("float", [32, 32], 0.9), row("lsq", [2, 2], 0.8), row("pact", [2, 2], 0.6), row("lsq", [4, 4], 0.88)]
    rows[2]["wcar"][0]["own"] = rate(0.05)
    rows[3]["masking"] = "pass"
    study = {"rows": rows, "claims": [CLAIM, CLAIM | {"id": "bits-attacks-queries", "figure": None}], "notes": []}
    sentences = (
        "It {{ cifar claim bits-corruptions }}.",
        "Queries: {{ cifar claim bits-attacks-queries }}.",
        "Clean {{ cifar clean-of 2 }}, wider {{ cifar clean-of 4-8 }}.",
        "PGD leaves {{ cifar left pgd-linf mid transfer 2 }} and {{ cifar left pgd-linf large own 2 }}.",
        "The worst leaves {{ cifar worst-of small own 2 }}, gradients {{ cifar masking 4-8 }}, {{ cifar masking 2 }}.",
        "{{ cifar asked }}",
    )
    done = page("\n".join(sentences), study)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "index.md").read_text().splitlines() == [
        "It **cannot be told** (-7.1, -15.0 to 1.0).",
        "Queries: **cannot be told** (not asked).",
        "Clean 60 to 80 %, wider 88 %.",
        "PGD leaves 70 % and not asked.",
        "The worst leaves 5 to 44 %, gradients *pass* of 1, not asked.",
        "Asked: attacks `pgd-linf` (mid).",
    ]


def test_a_sentence_that_the_run_lacks_makes_no_page(page, tmp_path):
    done = page("{{ cifar claim nothing }}", {"rows": [row("float", [32, 32], 0.9)], "claims": [CLAIM], "notes": []})
    assert done.returncode == 1
    assert "no sentence 'nothing'" in done.stderr
    assert not (tmp_path / "index.md").exists()


def test_the_page_s_sentences_ask_for_what_there_is(page):
    """Every phrase of the template has the name of one."""
    text = (STUDY / "index.template").read_text()
    names = {marker.split()[1] for marker in re.findall(r"{{ (.+?) }}", text)}
    done = page("{{ cifar no-such }}", {"rows": [row("float", [32, 32], 0.9)], "claims": [], "notes": []})
    known = set(done.stderr.partition("there are ")[2].strip().rstrip(".").split(", "))
    assert names <= known | {"clean"}


def test_a_run_without_a_study_makes_no_page(page, tmp_path):
    done = page("{{ cifar overview }}", None)
    assert done.returncode == 1
    assert "run it with --suite robustmq" in done.stderr
    assert not (tmp_path / "index.md").exists()
