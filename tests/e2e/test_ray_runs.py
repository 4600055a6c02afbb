"""Trials on two nodes of a Ray cluster: the same bits as here, whatever ends meanwhile."""

import json
import os
import signal
import subprocess
import sys
import time
from fnmatch import fnmatch

import pytest
from conftest import ROOT, bench
from quick_timing import QUICK_TIMING
from ray_cluster import needs_ray, ray_cluster
from trial_files import trial_files

from seatrial.harness.records.checked import write_values

pytestmark = needs_ray

CONDITIONS = ("clean", "corruption/*@3", "pipeline/decode=opencv", "pipeline/color=bgr", "pipeline/input=fp16")
ATTACKS = ("attack/fgsm-linf@2", "attack/fgsm-linf@2+qdq", "blackbox/square-linf@8")
LIMIT, WAIT_S = 80, 400  # two parts of adversarial images, of unlike sizes


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """The nodes' own cache."""
    return tmp_path_factory.mktemp("nodes")


@pytest.fixture(scope="module")
def cluster(kept):
    with ray_cluster(SEATRIAL_CACHE=str(kept)) as found:
        yield found


@pytest.fixture(scope="module")
def words(shared):
    cifar = shared / "data/cifar10"
    found = ["--model", shared / "models/cifar10_resnet20.onnx", "--preset", "cifar10", "--advisory"]
    found += ["--data", cifar / "test.npz", "--calib", cifar / "calib.npz", "--calib-limit", 32, "--queries", 10]
    found += ["--engine", "onnxruntime", "--engine", "openvino", "--bits", 8, "--batch-size", 16, *QUICK_TIMING]
    return list(map(str, found))


def asked(*conditions):
    return [word for name in conditions for word in ("--conditions", name)] + ["--limit", str(LIMIT)]


@pytest.fixture(scope="module")
def local(words, tmp_path_factory):
    """What threads of this process answer."""
    out = tmp_path_factory.mktemp("local") / "run"
    done = bench([*words, *asked(*CONDITIONS, *ATTACKS), "--out", out])
    assert done.returncode == 0, done.stderr
    return out


def driver(words, out, cluster, **more):
    """Starts the command on the cluster."""
    command = [sys.executable, ROOT / "bench.py", *words, "--out", out, "--executor", f"ray:{cluster.address}"]
    own = {"SEATRIAL_CACHE": str(out.with_name("cache"))}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**cluster.environment, **own, **more}
    )


def finished(process):
    said, _ = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0, said
    return said


def is_same(local, out, conditions):
    """Whether what lies in `out` is those conditions' of the local run, byte for byte."""
    files, others = ({key: path.read_bytes() for key, path in trial_files(one).items()} for one in (local, out))
    files = {key: content for key, content in files.items() if any(fnmatch(key[1], glob) for glob in conditions)}
    assert len(files) >= 60
    assert files.keys() == others.keys()
    assert [key for key in files if files[key] != others[key]] == []
    return True


def wait_for(found, process):
    end = time.monotonic() + WAIT_S
    while not found():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.02)


def trials_in(run):
    return lambda: list((run / "trials").glob("[!.]*.parquet"))


def chunks(cache):
    """Adversarial images there: a file's name is its key."""
    return {path.name: path.read_bytes() for path in (cache / "adversarial").glob("*/*.chunk")}


def test_two_nodes_give_the_bits_of_a_local_run_also_where_one_is_killed_in_the_middle(
    words, local, cluster, kept, tmp_path
):
    out = tmp_path / "run"
    process = driver([*words, *asked(*CONDITIONS, *ATTACKS)], out, cluster)
    wait_for(trials_in(out), process)
    cluster.kill()
    said = finished(process)
    cluster.add()
    assert is_same(local, out, ["*"])
    assert "ended" in said
    made = chunks(kept)
    assert len(made) == 3 * 2 + 3, "gradients on each file in two parts, queries in one for each engine"
    assert made == chunks(tmp_path / "cache"), "the nodes made them, and the driver has the same"
    told = json.loads((out / "nodes.json").read_text())
    assert len(told["repeated"]) == 3
    assert all(one["images"] and not one["differing"] for one in told["repeated"].values())
    checks = json.loads((out / "summary.json").read_text())["gate"]["checks"]
    assert {one["target"] for one in checks if one["name"] == "answers repeat" and one["answer"] == "pass"} == {
        *told["repeated"]
    }
    says = "1 of 16 images of clean are answered otherwise on there than on here"
    told["repeated"]["onnxruntime/int8@cpu"].update(differing=1, says=[says])
    write_values(out / "nodes.json", {"nodes": told["nodes"], "repeated": told["repeated"]})
    done = bench(["report", out])
    assert "Verdict: ANOMALOUS" in done.stdout
    assert says in " ".join(done.stdout.split())


def test_a_driver_that_is_killed_goes_on_and_no_second_one_writes_beside_it(words, local, cluster, tmp_path):
    out, command = tmp_path / "run", [*words, *asked(*CONDITIONS)]
    first = driver(command, out, cluster)
    wait_for(trials_in(out), first)
    first.send_signal(signal.SIGSTOP)  # it holds its place, and does not come to its end meanwhile
    second = driver(command, out, cluster)
    said, _ = second.communicate(timeout=WAIT_S)
    assert second.returncode == 2
    assert "is in use by process" in said
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=WAIT_S)
    before = trials_in(out)()
    assert 0 < len(before) < 60
    kept = {path: path.stat().st_mtime_ns for path in before}
    finished(driver(command, out, cluster))
    assert is_same(local, out, CONDITIONS)
    assert all(path.stat().st_mtime_ns == written for path, written in kept.items())


@pytest.mark.long
def test_who_has_not_the_token_of_a_cluster_is_told(words, cluster, tmp_path):
    out = tmp_path / "run"
    stranger = driver([*words, *asked(*CONDITIONS)], out, cluster, RAY_AUTH_TOKEN="0" * 64)
    said, _ = stranger.communicate(timeout=WAIT_S)
    assert stranger.returncode == 3
    assert "cannot be used" in said
    assert not out.exists()


def test_a_cluster_that_is_not_there_is_told_before_anything_is_done(words, tmp_path):
    done = bench([*words, *asked(*CONDITIONS), "--out", tmp_path / "run", "--executor", "ray:127.0.0.1:1"])
    assert done.returncode == 3
    assert "nothing answers there" in done.stderr
    assert not (tmp_path / "run").exists()


def left(children):
    return [one for one in children if one.is_running() and one.status() != "zombie"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.long
def test_a_driver_that_ends_takes_all_with_it(words, tmp_path, number):
    import psutil

    out = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, ROOT / "bench.py", *words, *asked(*CONDITIONS), "--out", out, "--executor", "ray"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    wait_for(trials_in(out), process)
    children = psutil.Process(process.pid).children(recursive=True)
    assert any("raylet" in one.name() for one in children)
    os.kill(process.pid, number)
    process.communicate(timeout=WAIT_S)
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    end = time.monotonic() + WAIT_S  # Ray's agents look for their raylet now and then
    while left(children) and time.monotonic() < end:
        time.sleep(0.2)
    assert left(children) == []
