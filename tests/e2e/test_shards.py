"""A run in parts, as several machines would run it, put together: the same as the run in one."""

import json
import shutil
import subprocess
import sys
import time

import pytest
from conftest import ROOT, bench
from flipped_bits import without_times
from quick_timing import QUICK_TIMING
from trial_files import trial_files, trials

import seatrial
from seatrial.harness.plan import reaching
from seatrial.harness.progress import Silent
from seatrial.harness.records.checked import read_values, write_values
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.records.trials import About, read_any_trial, write_trial

FEW = ("corruption/fog@*", "corruption/contrast@3", "blackbox/square-linf@8")
ALL_KINDS = ("corruption/fog@3", "pipeline/combined", "attack/fgsm-linf@2+qdq", "blackbox/square-linf@8")


def figures(run):
    """All that two runs of one spec have in common."""
    summary = without_times(json.loads((run / "summary.json").read_text().replace(str(run), "RUN")))
    checks = [check for check in summary["gate"]["checks"] if check["name"] != "timed answers"]  # says how many
    return {**summary, "gate": {**summary["gate"], "checks": checks}}


def same_rows(one, other, folder="trials"):
    first, second = trials(one, folder), trials(other, folder)
    assert first.keys() == second.keys()
    assert all(first[name].equals(second[name]) for name in first)
    assert {path.name for path in (one / folder).iterdir()} == {path.name for path in (other / folder).iterdir()}


def cifar(shared, *conditions):
    words = ["--model", shared / "models/cifar10_resnet20.onnx", "--preset", "cifar10", "--limit", 20, "--advisory"]
    words += ["--data", shared / "data/cifar10/test.npz", "--calib", shared / "data/cifar10/calib.npz"]
    words += ["--calib-limit", 16, "--queries", 10]
    return [*words, *(word for name in conditions for word in ("--conditions", name))]


def run_shard(words, number, of, out, **environment):
    done = bench([*words, "--shard", f"{number}/{of}", "--out", out], **environment)
    assert done.returncode == 0, done.stderr
    assert f"Shard {number}/{of} of the run: " in done.stdout
    assert "no verdict" in done.stdout
    assert "ACCEPT" not in done.stdout
    assert "merge RUN [RUN ...] --out DIR" in done.stdout


def killed(words, out):
    """A command in a process of its own that ends once its first trial is there; how many are."""
    command = [sys.executable, ROOT / "bench.py", *words, *QUICK_TIMING, "--out", out]
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while process.poll() is None and not list(out.glob("trials/[!.]*")):
            time.sleep(0.002)
        process.kill()
    return len(trial_files(out))


@pytest.fixture(scope="module")
def world(shared, tmp_path_factory):
    """A whole run, the same in three shards, the last first and the second killed and resumed, and merged."""
    root = tmp_path_factory.mktemp("shards")
    words = cifar(shared, *FEW)
    done = bench([*words, "--out", root / "whole"])
    assert done.returncode == 0, done.stderr
    parts = [root / f"part-{number}" for number in (1, 2, 3)]
    run_shard(words, 3, 3, parts[2], SEATRIAL_CACHE=str(root / "cache"))
    run_shard(words, 1, 3, parts[0])
    assert killed([*words, "--shard", "2/3"], parts[1]) > 0
    run_shard(words, 2, 3, parts[1])
    done = bench(["merge", *reversed(parts), "--out", root / "merged", "--json"])
    assert done.returncode == 0, done.stderr
    return root, words, parts, done


def test_the_shards_of_a_run_merged_are_the_run(world):
    root, _, parts, done = world
    same_rows(root / "whole", root / "merged")
    same_rows(root / "whole", root / "merged", "attacks")
    assert figures(root / "merged") == figures(root / "whole")
    assert json.loads(done.stdout) == json.loads((root / "merged/summary.json").read_text())
    assert {path.name for path in (root / "merged").iterdir()} == {path.name for path in (root / "whole").iterdir()}
    held = [set(trial_files(part)) for part in parts]
    assert all(held)
    assert sum(map(len, held)) == len(set().union(*held))
    assert [len(trial_files(part, "attacks")) for part in parts if (part / "attacks").exists()] == [2]


def test_a_shard_says_what_it_is_and_judges_nothing(world):
    root, _, parts, _ = world
    for number, part in enumerate(parts, start=1):
        assert read_values(part / "run.json")["shard"] == f"{number}/3"
        assert not (part / "summary.json").exists()
        assert not (part / "report.html").exists()
        assert (part / "latency.parquet").exists() == (part / "findings.json").exists() == (number == 1)
    assert "shard" not in read_values(root / "merged/run.json")
    states = {run["path"]: run["state"] for run in json.loads(bench(["runs", root, "--json"]).stdout)}
    assert states == {
        **{str(part): f"shard {number}/3" for number, part in enumerate(parts, start=1)},
        **{str(root / name): "finished" for name in ("whole", "merged")},
    }


def test_a_merged_run_goes_on_as_any_other(world):
    root, words, _, _ = world
    merged = root / "merged"
    before = {path: path.stat().st_mtime_ns for path in (merged / "trials").iterdir()}
    done = bench([*words, "--out", merged])
    assert done.returncode == 0, done.stderr
    assert "Running trials" not in done.stderr
    assert {path: path.stat().st_mtime_ns for path in (merged / "trials").iterdir()} == before
    assert bench(["compare", merged, root / "whole", "--advisory"]).returncode == 0


def copied(parts, root):
    found = [root / part.name for part in parts]
    for part, copy in zip(parts, found, strict=True):
        shutil.copytree(part, copy)
    return found


def described(run, change):
    """Changes run.json, as another command or machine would have written it."""
    stored = read_values(run / "run.json")
    change(stored)
    write_values(run / "run.json", stored)


def refused(roots, out, *says):
    done = bench(["merge", *roots, "--out", out])
    assert done.returncode == 2, done.stdout
    for words in says:
        assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (out / "run.json").exists()


def test_missing_and_doubled_shards_are_named(world, tmp_path):
    root, _, (one, two, three), _ = world
    out = tmp_path / "out"
    refused([one, three], out, "Shard 2/3 is missing.")
    refused([three], out, "Shards 1/3, 2/3 are missing.")
    refused([one, two, three, two], out, f"Shard 2/3 is given twice: {two} and {two}.")
    refused([one, two, three, root / "whole"], out, f"{root / 'whole'} holds a whole run")
    refused([one, tmp_path], out, f"{tmp_path} holds no run")
    assert not out.exists()
    done = bench(["merge", one, two, three, "--out", one])
    assert (done.returncode, "is one of the shards" in done.stderr) == (2, True)


def test_shards_of_other_runs_are_named(world, tmp_path):
    parts = copied(world[2], tmp_path)
    changes = {
        "seed": lambda stored: stored["identity"]["run"].update(seed=1),
        "onnxruntime/int8@cpu.processor.machine": lambda stored: stored["identity"]["targets"]["onnxruntime/int8@cpu"][
            "processor"
        ].update(machine="elsewhere"),
        "conditions (corruption/frost@1)": lambda stored: stored["asked"]["conditions"].append("corruption/frost@1"),
        "they are not of one run": lambda stored: stored.update(shard="2/4"),
        "names the shard '9/3'": lambda stored: stored.update(shard="9/3"),
    }
    for says, change in changes.items():
        described(parts[1], change)
        refused(parts, tmp_path / "out", says)
        shutil.copy(world[2][1] / "run.json", parts[1])


def test_unfinished_damaged_and_differing_shards_are_named(world, tmp_path):
    one, two, three = copied(world[2], tmp_path)
    target, condition = next(key for key in trial_files(two) if key[1].startswith("corruption/"))
    path = trial_files(two)[target, condition]
    content = path.read_bytes()
    path.unlink()
    refused([one, two, three], tmp_path / "out", f"Shard 2/3 ({two}) is not finished: 1 of its trials", condition)
    path.write_bytes(bytes([*content[:90], content[90] ^ 1, *content[91:]]))
    refused([one, two, three], tmp_path / "out", f"{path} is damaged")
    path.write_bytes(content)
    ids, rows = read_any_trial(path)
    rows.p_top1[0] /= 2
    write_trial(one / "trials", path.stem, About(target, condition), ids, rows)
    refused([one, two, three], tmp_path / "out", f"{target} under {condition} is not the same in {one} and in {two}")
    audit = read_values(two / "audit.json")
    audit["targets"][target]["model_digest"] = "0" * 64
    write_values(two / "audit.json", audit)
    refused([one, two, three], tmp_path / "out", f"{target} ran another file in shard 2/3 ({two}) than in shard 1/3")


def test_a_target_that_failed_in_one_shard_has_failed_in_the_run(world, tmp_path):
    parts, target = copied(world[2], tmp_path), "onnxruntime/int8@cpu"
    for (name, _), path in trial_files(parts[1]).items():
        if name == target:
            path.unlink()
    failure = {"target": target, "stage": "trials", "outcome": "crashed", "says": "it ended"}
    RunDirectory(parts[1]).tell_failures([failure])
    described(parts[1], lambda stored: stored["spec"]["gate"].update(advisory=False))
    done = bench(["merge", *parts, "--out", tmp_path / "out"])
    assert done.returncode == 3, done.stderr
    assert "gates that differ in: advisory. The first shard's judges" in " ".join(done.stderr.split())
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert (summary["status"], summary["failed"]) == ("partial", [failure])
    assert [one["id"] for one in summary["targets"]] == ["onnxruntime/fp32@cpu"]


def test_what_ran_elsewhere_is_judged_here_and_finished_there(world, tmp_path, monkeypatch):
    parts, out = copied(world[2], tmp_path), tmp_path / "out"
    (parts[0] / "findings.json").unlink()
    monkeypatch.setattr(reaching, "_there", lambda target, places: reaching.There("0.0", {"machine": "elsewhere"}))
    done = bench(["merge", *parts, "--out", out])
    assert done.returncode == 2
    assert "What may be wrong is looked at." in done.stderr
    assert "onnxruntime/int8@cpu.processor.machine" in done.stderr
    assert f"On such a machine: bench.py --from {out} --out {out}" in done.stderr
    shutil.copy(world[2][0] / "findings.json", parts[0])
    done = bench(["merge", *parts, "--out", out])
    assert done.returncode == 0, done.stderr
    assert figures(out) == figures(world[0] / "whole")


def test_a_merge_that_is_ended_leaves_no_run(world, tmp_path, monkeypatch):
    root, _, parts, _ = world
    out = tmp_path / "out"

    def ended(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RunDirectory, "begin", ended)
        assert bench(["merge", *parts, "--out", out]).returncode == 130
    assert len(list((out / "trials").iterdir())) == len(list((root / "whole/trials").iterdir()))
    assert "holds no run" in bench(["report", out]).stderr
    assert seatrial.merge(parts, out=out, progress=Silent()).summary.status == "complete"
    assert figures(out) == figures(root / "whole")


def test_a_directory_holds_one_shard_and_nobody_takes_it_for_a_run(world):
    root, words, (one, two, _), _ = world
    for flags, says in (
        ([*words, "--shard", "2/3", "--out", one], "holds shard 1/3"),
        ([*words, "--shard", "1/3", "--out", root / "whole"], "holds a whole run"),
        ([*words, "--shard", "4/3"], "--shard 4/3"),
        ([*words, "--shard", "1/3", "--json"], "--json is for a run that is judged"),
        (["report", one], "holds shard 1/3 of a run: merge all 3 first"),
        (["compare", one, two], "holds shard 1/3 of a run"),
        ([*words, "--baseline", one, "--out", root / "other"], "holds shard 1/3 of a run"),
    ):
        done = bench(flags)
        assert done.returncode == 2, done.stdout
        assert says in done.stderr


def test_more_shards_than_there_is_to_do(world, tmp_path):
    for _ in range(2):
        done = bench([*world[1], "--shard", "40/40", "--out", tmp_path / "idle"])
        assert done.returncode == 0, done.stderr
        assert "Shard 40/40 of the run: nothing." in done.stdout
    assert {path.name for path in (tmp_path / "idle").iterdir()} == {"run.json"}


@pytest.mark.long
def test_a_shard_goes_on_as_a_whole_run_where_no_shard_is_asked(world, tmp_path):
    root, words, parts, _ = world
    (out,) = copied(parts[:1], tmp_path)
    done = bench([*words, "--out", out])
    assert done.returncode == 0, done.stderr
    assert "shard" not in read_values(out / "run.json")
    same_rows(out, root / "whole")


@pytest.mark.long
def test_what_hangs_on_all_answers_is_run_by_the_merge(shared, tmp_path):
    pytest.importorskip("torch")
    words = cifar(shared, *ALL_KINDS)
    assert bench([*words, "--out", tmp_path / "whole"]).returncode == 0
    parts = [tmp_path / f"part-{number}" for number in (1, 2, 3)]
    for number, part in enumerate(parts, start=1):
        run_shard(words, number, 3, part, SEATRIAL_CACHE=str(tmp_path / f"cache-{number}"))
    done = bench(["merge", *parts, "--out", tmp_path / "merged"])
    assert done.returncode == 0, done.stderr
    assert "known now that all others are answered" in done.stderr
    for folder in ("trials", "attacks"):
        same_rows(tmp_path / "whole", tmp_path / "merged", folder)
    assert figures(tmp_path / "merged") == figures(tmp_path / "whole")
