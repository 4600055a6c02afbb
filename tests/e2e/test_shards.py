"""A run in parts, as several machines would run it, put together: the same as the run in one."""

import json
import shutil
import signal
import subprocess
import sys
import time

import pytest
from conftest import ROOT, bench, make_folders, make_model
from flipped_bits import without_times
from quick_timing import QUICK_TIMING
from trial_files import trial_files, trials

from seatrial.harness.plan import reaching
from seatrial.harness.records.checked import read_values, write_values
from seatrial.harness.records.trials import About, read_any_trial, write_trial

CIFAR = ("corruption/fog@3", "corruption/contrast@*", "pipeline/combined", "attack/fgsm-linf@2+qdq")


def figures(run):
    """All that two runs of one spec have in common."""
    summary = json.loads((run / "summary.json").read_text().replace(str(run), "RUN"))
    return without_times(summary)


def same_rows(one, other, folder="trials"):
    first, second = trials(one, folder), trials(other, folder)
    assert first.keys() == second.keys()
    assert all(first[name].equals(second[name]) for name in first)
    assert {path.name for path in (one / folder).iterdir()} == {path.name for path in (other / folder).iterdir()}


def sharded(root, words, of, order=None, **environment):
    """Each shard's directory."""
    found = [root / f"part-{number}" for number in range(1, of + 1)]
    for number in order or range(1, of + 1):
        done = bench([*words, "--shard", f"{number}/{of}", "--out", found[number - 1]], **environment)
        assert done.returncode == 0, done.stderr
        assert f"Shard {number}/{of} of the run" in done.stdout
        assert "ACCEPT" not in done.stdout
        assert "merge RUN [RUN ...] --out DIR" in done.stdout
    return found


@pytest.fixture(scope="module")
def cifar(shared, tmp_path_factory):
    """A whole run of every kind of condition, and the same in three shards, the last first, each with its own cache."""
    root = tmp_path_factory.mktemp("cifar")
    words = ["--model", shared / "models/cifar10_resnet20.onnx", "--preset", "cifar10", "--limit", 20, "--advisory"]
    words += ["--data", shared / "data/cifar10/test.npz", "--calib", shared / "data/cifar10/calib.npz"]
    words += ["--calib-limit", 16, "--queries", 10, "--conditions", "blackbox/square-linf@8"]
    words += [word for name in CIFAR for word in ("--conditions", name)]
    done = bench([*words, "--out", root / "whole"])
    assert done.returncode == 0, done.stderr
    parts = sharded(root, words, 3, (3, 1, 2), SEATRIAL_CACHE=str(root / "cache"))
    done = bench(["merge", *reversed(parts), "--out", root / "merged"])
    assert done.returncode == 0, done.stderr
    return root, words, parts, done


def test_the_shards_of_a_run_merged_are_the_run(cifar):
    root, _, parts, done = cifar
    same_rows(root / "whole", root / "merged")
    same_rows(root / "whole", root / "merged", "attacks")
    assert figures(root / "merged") == figures(root / "whole")
    files = {path.name for path in (root / "whole").iterdir()}
    assert {path.name for path in (root / "merged").iterdir()} == files
    assert "pipeline/combined@1, " in done.stderr
    assert "known now that all others are answered" in done.stderr
    held = [set(trial_files(part)) for part in parts]
    assert all(held)
    assert sum(map(len, held)) == len(set().union(*held))


def test_a_shard_says_what_it_is_and_judges_nothing(cifar):
    _, _, parts, _ = cifar
    for number, part in enumerate(parts, start=1):
        assert read_values(part / "run.json")["shard"] == f"{number}/3"
        assert not (part / "summary.json").exists()
        assert not (part / "report.html").exists()
        assert (part / "latency.parquet").exists() == (part / "findings.json").exists() == (number == 1)


def test_what_is_made_of_many_images_is_made_in_one_shard(cifar):
    _, _, parts, _ = cifar
    made = [
        {condition for _, condition in trial_files(part, "attacks")} for part in parts if (part / "attacks").exists()
    ]
    assert sorted(name for names in made for name in names) == ["attack/fgsm-linf@2+qdq", "blackbox/square-linf@8"]
    resized = [any(condition.startswith("pipeline/resize=") for _, condition in trial_files(part)) for part in parts]
    assert resized.count(True) == 1


def test_a_merged_run_goes_on_as_any_other(cifar, tmp_path):
    root, words, _, _ = cifar
    merged = root / "merged"
    before = {path: path.stat().st_mtime_ns for path in (merged / "trials").iterdir()}
    done = bench([*words, "--out", merged])
    assert done.returncode == 0, done.stderr
    assert "Running trials" not in done.stderr
    assert {path: path.stat().st_mtime_ns for path in (merged / "trials").iterdir()} == before
    assert bench(["report", merged, "--baseline", root / "whole", "--advisory"]).returncode == 0
    assert bench(["compare", merged, root / "whole", "--advisory"]).returncode == 0


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The same of a small model, whose run hangs on no answers."""
    root = tmp_path_factory.mktemp("small")
    make_model(root / "m.onnx")
    words = ["--model", root / "m.onnx", "--size", 16, "--advisory"]
    words += ["--data", make_folders(root / "test"), "--calib", make_folders(root / "calib", images=4, seed=1)]
    words += ["--conditions", "corruption/fog@*", "--conditions", "corruption/contrast@*"]
    done = bench([*words, "--out", root / "whole"])
    assert done.returncode == 0, done.stderr
    return root, words, sharded(root, words, 2)


def copied(parts, root):
    found = [root / part.name for part in parts]
    for part, copy in zip(parts, found, strict=True):
        shutil.copytree(part, copy)
    return found


def refused(roots, out, *says, status=2):
    done = bench(["merge", *roots, "--out", out])
    assert done.returncode == status, done.stdout
    for words in says:
        assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (out / "run.json").exists()


def test_a_merge_runs_nothing_where_nothing_is_left(small, tmp_path):
    root, _, parts = small
    done = bench(["merge", *parts, "--out", tmp_path / "merged", "--json"])
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "complete"
    assert figures(tmp_path / "merged") == figures(root / "whole")
    same_rows(root / "whole", tmp_path / "merged")
    again = bench(["merge", *parts, "--out", tmp_path / "merged"])
    assert again.returncode == 0, again.stderr


def test_missing_doubled_and_strange_shards_are_named(small, tmp_path):
    root, words, (one, two) = small
    refused([one], tmp_path / "out", "Shard 2/2 is missing.")
    refused([one, two, one], tmp_path / "out", f"Shard 1/2 is given twice: {one} and {one}.")
    refused([one, two, root / "whole"], tmp_path / "out", f"{root / 'whole'} holds a whole run")
    refused([one, tmp_path], tmp_path / "out", f"{tmp_path} holds no run")
    other = tmp_path / "other"
    assert bench([*words, "--shard", "2/3", "--out", other]).returncode == 0
    refused([one, other], tmp_path / "out", "they are not of one run")
    seeded = tmp_path / "seeded"
    assert bench([*words, "--seed", 1, "--shard", "2/2", "--out", seeded]).returncode == 0
    refused([one, seeded], tmp_path / "out", "run.images", "run.seed")
    more = tmp_path / "more"
    assert bench([*words, "--conditions", "corruption/frost@1", "--shard", "2/2", "--out", more]).returncode == 0
    refused([one, more], tmp_path / "out", "conditions (corruption/frost@1)")
    assert "is one of the shards" in bench(["merge", one, two, "--out", one]).stderr


def test_unfinished_damaged_and_differing_shards_are_named(small, tmp_path):
    _, _, parts = small
    one, two = copied(parts, tmp_path)
    target, condition = next(iter(trial_files(two)))
    path = trial_files(two)[target, condition]
    path.unlink()
    refused([one, two], tmp_path / "out", f"Shard 2/2 ({two}) is not finished: 1 of its trials", condition)
    shutil.copy(parts[1] / "trials" / path.name, path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    refused([one, two], tmp_path / "out", f"{path} is damaged")
    shutil.copy(parts[1] / "trials" / path.name, path)
    shutil.copy(path, one / "trials")
    assert bench(["merge", one, two, "--out", tmp_path / "doubled"]).returncode == 0
    ids, rows = read_any_trial(path)
    rows.p_top1[0] /= 2
    write_trial(one / "trials", path.stem, About(target, condition), ids, rows)
    refused([one, two], tmp_path / "out", f"{target} under {condition} is not the same in {one} and in {two}")


def test_what_one_shard_ran_on_another_processor_is_named(small, tmp_path):
    _, _, parts = small
    one, two = copied(parts, tmp_path)
    stored = read_values(two / "run.json")
    stored["identity"]["targets"]["onnxruntime/int8@cpu"]["processor"]["machine"] = "elsewhere"
    write_values(two / "run.json", {name: value for name, value in stored.items() if name != "sha256"})
    refused([one, two], tmp_path / "out", "onnxruntime/int8@cpu.processor.machine")


def test_what_ran_elsewhere_is_judged_here_and_finished_there(small, tmp_path, monkeypatch):
    root, _, parts = small
    monkeypatch.setattr(reaching, "_there", lambda target, places: reaching.There("0.0", {"machine": "elsewhere"}))
    done = bench(["merge", *parts, "--out", tmp_path / "merged"])
    assert done.returncode == 0, done.stderr
    assert figures(tmp_path / "merged") == figures(root / "whole")
    one, two = copied(parts, tmp_path)
    (one / "findings.json").unlink()
    done = bench(["merge", one, two, "--out", tmp_path / "left"])
    assert done.returncode == 2
    assert "What may be wrong is looked at." in done.stderr
    assert "onnxruntime/int8@cpu.processor.machine" in done.stderr
    command = f"--from {tmp_path / 'left'} --out {tmp_path / 'left'}"
    assert f"On such a machine: bench.py {command}" in done.stderr
    monkeypatch.undo()
    done = bench([*command.split(), "--advisory"])
    assert done.returncode == 0, done.stderr
    assert figures(tmp_path / "left") == figures(root / "whole")


def test_a_merge_that_is_killed_leaves_no_run(small, tmp_path):
    _, _, parts = small
    out = tmp_path / "merged"
    script = (
        "import os, signal, sys; from seatrial.harness.records.rundir import RunDirectory; "
        "RunDirectory.begin = lambda *_: os.kill(os.getpid(), signal.SIGKILL); "
        "from seatrial.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    words = [sys.executable, "-c", script, "merge", *parts, "--out", out]
    assert subprocess.run(words, cwd=ROOT, capture_output=True, check=False).returncode == -signal.SIGKILL
    assert (out / "trials").is_dir()
    assert "holds no run" in bench(["report", out]).stderr
    assert bench(["merge", *parts, "--out", out]).returncode == 0
    assert not list(out.rglob(".tmp-*"))


def test_a_shard_that_is_killed_goes_on(small, tmp_path):
    root, words, parts = small
    out = tmp_path / "part-1"
    command = [sys.executable, ROOT / "bench.py", *words, *QUICK_TIMING, "--shard", "1/2", "--out", out]
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while process.poll() is None and len(list(out.glob("trials/[!.]*"))) < 3:
            time.sleep(0.002)
        process.kill()
    held = len(trial_files(out))
    done = bench([*words, "--shard", "1/2", "--out", out])
    assert done.returncode == 0, done.stderr
    assert held <= len(trial_files(out))
    same_rows(out, parts[0])
    assert bench(["merge", out, parts[1], "--out", tmp_path / "merged"]).returncode == 0
    assert figures(tmp_path / "merged") == figures(root / "whole")


def test_a_directory_holds_one_shard_and_nobody_takes_it_for_a_run(small, tmp_path):
    root, words, (one, two) = small
    for flags, says in (
        ([*words, "--shard", "2/2", "--out", one], "holds shard 1/2"),
        ([*words, "--shard", "1/2", "--out", root / "whole"], "holds a whole run"),
        ([*words, "--shard", "3/2"], "--shard 3/2"),
        ([*words, "--shard", "two"], "--shard two"),
        ([*words, "--shard", "1/2", "--json"], "--json is for a run that is judged"),
        (["report", one], "holds shard 1/2 of a run: merge all 2 first"),
        (["compare", one, two], "holds shard 1/2 of a run"),
    ):
        done = bench(flags)
        assert done.returncode == 2, done.stdout
        assert says in done.stderr
    listed = json.loads(bench(["runs", root, "--json"]).stdout)
    assert {(run["path"], run["state"]) for run in listed} == {
        (str(root / "whole"), "finished"),
        (str(one), "shard 1/2"),
        (str(two), "shard 2/2"),
    }


def test_more_shards_than_there_is_to_do(small, tmp_path):
    _, words, _ = small
    done = bench([*words, "--shard", "40/40", "--out", tmp_path / "idle"])
    assert done.returncode == 0, done.stderr
    assert "Shard 40/40 of the run: nothing." in done.stdout
    assert bench([*words, "--shard", "40/40", "--out", tmp_path / "idle"]).returncode == 0
    assert {path.name for path in (tmp_path / "idle").iterdir()} == {"run.json"}


def test_a_shard_goes_on_as_a_whole_run_where_no_shard_is_asked(small, tmp_path):
    root, words, parts = small
    (out,) = copied(parts[:1], tmp_path)
    done = bench([*words, "--out", out])
    assert done.returncode == 0, done.stderr
    assert "shard" not in read_values(out / "run.json")
    same_rows(out, root / "whole")
