"""Adversarial images as a user asks for them: made once, fed to all targets, kept, told of."""

import io
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import onnx
import pyarrow.parquet as pq
import pytest
from conftest import ROOT, bench, bench_process, make_folders, make_model
from quick_timing import QUICK_TIMING
from trial_files import trial_files, trials

from seatrial import exporters
from seatrial.artefacts import read_artefact
from seatrial.exporters import ContractOptions
from seatrial.exporters.rewrites import REWRITES
from seatrial.harness.attacks.store import ChunkStore

CIFAR = ["--preset", "cifar10"]


def cifar(shared, *more):
    words = [
        "--advisory",
        "--model",
        shared / "models/cifar10_resnet20.onnx",
        *CIFAR,
        "--data",
        shared / "data/cifar10/test.npz",
    ]
    return [*words, "--calib", shared / "data/cifar10/calib.npz", "--calib-limit", 64, *more]


def asked(*ids):
    return [word for one in ids for word in ("--conditions", one)]


def run(words, cache):
    done = bench(words, SEATRIAL_CACHE=str(cache))
    assert done.returncode == 0, done.stderr
    return done


def summary_of(out):
    return json.loads((out / "summary.json").read_text())


def chunks(cache):
    found = (cache / "adversarial").rglob("*.chunk")
    return {path.relative_to(cache): path for path in found if not path.name.startswith(".")}


IDS = (
    "attack/fgsm-linf@2",
    "attack/pgd-linf@2",
    "attack/pgd-linf@0.5",
    "attack/pgd-linf@2+qdq",
    "attack/pgd-l2@0.5",
    "attack/diva-linf@8+qdq",
    "blackbox/square-linf@8",
)


@pytest.fixture(scope="module")
def attacked(shared, tmp_path_factory):
    root = tmp_path_factory.mktemp("attacked")
    words = cifar(shared, "--limit", 66, "--queries", 40, *asked(*IDS))
    done = run([*words, "--out", root / "run"], root / "cache")
    return root / "run", root / "cache", words, done


def stored_images(shared, out, cache, condition, target="all"):
    """The clean images of a run, in its order, and the adversarial ones, read from the cache by the run's own keys."""
    table = trials(out, "attacks")[target, condition]
    with np.load(shared / "data/cifar10/test.npz") as data:
        pixels, place = data["images"], {name: index for index, name in enumerate(data["names"].tolist())}
    clean = np.stack([pixels[place[name]] for name in table["image_id"].to_pylist()])
    images, start = [], 0
    store = ChunkStore(cache / "adversarial")
    for key in json.loads(table.schema.metadata[b"seatrial.chunks"]):
        kept = read_artefact(next((cache / "adversarial").rglob(f"{key}.chunk")))
        with np.load(io.BytesIO(kept.content)) as chunk:
            count = len(chunk["change"])
        images.append(store.read(key, clean[start : start + count]).images)
        start += count
    return clean, np.concatenate(images), table


@pytest.mark.parametrize(
    ("condition", "norm", "limit"),
    [
        ("attack/fgsm-linf@2", "linf", 2),
        ("attack/pgd-linf@2", "linf", 2),
        ("attack/pgd-linf@2+qdq", "linf", 2),
        ("attack/pgd-l2@0.5", "l2", 0.5),
        ("attack/diva-linf@8+qdq", "linf", 8),
        ("blackbox/square-linf@8", "linf", 8),
    ],
)
def test_every_stored_image_is_8_bit_and_within_eps_in_whole_pixel_values(shared, attacked, condition, norm, limit):
    out, cache, *_ = attacked
    owner = "onnxruntime/int8@cpu" if condition.startswith("blackbox") else "all"
    clean, images, table = stored_images(shared, out, cache, condition, owner)
    assert images.dtype == np.uint8
    change = images.astype(np.int64) - clean.astype(np.int64)
    flat = np.abs(change).reshape(len(change), -1)
    if norm == "linf":
        assert flat.max() == limit
        assert table["distance"].to_numpy() == pytest.approx(flat.max(axis=1))
    else:
        assert (flat**2).sum(axis=1).max() <= (255 * limit) ** 2
        assert table["distance"].to_numpy() == pytest.approx(np.sqrt((flat**2).sum(axis=1)) / 255, rel=1e-6)
        assert table["distance"].to_numpy().max() > 0.9 * limit


def test_images_below_one_level_stay_floats_and_are_labelled_so(shared, attacked):
    out, cache, _, done = attacked
    clean, images, table = stored_images(shared, out, cache, "attack/pgd-linf@0.5")
    assert images.dtype == np.float32
    assert 0.49 < np.abs(images - clean).max() <= 0.5 + 1e-3
    assert table["distance"].to_numpy().max() <= 0.5 + 1e-3
    assert "float" in done.stdout


def test_all_targets_answer_the_same_images(shared, attacked):
    import onnxruntime

    out, cache, *_ = attacked
    _, images, table = stored_images(shared, out, cache, "attack/pgd-linf@2")
    model = exporters.load(shared / "models/cifar10_resnet20.onnx", contract=ContractOptions(preset="cifar10"))
    session = onnxruntime.InferenceSession(model.onnx_bytes, providers=["CPUExecutionProvider"])
    (scores,) = session.run([model.output_name], {model.input_name: model.contract.normalise(images)})
    trial = trials(out)["onnxruntime/fp32@cpu", "attack/pgd-linf@2"]
    assert trial["top1"].to_pylist() == scores.argmax(1).tolist()
    # PyTorch's copy, on which they were made, answers as the engine of the same file does.
    correct = np.array(trial["top1"]) == np.array(trial["label"])
    assert (table["correct"].to_numpy() == correct).mean() >= 0.98


def test_attacks_do_what_they_are_for(attacked):
    reference, int8 = summary_of(attacked[0])["targets"]
    for target in (reference, int8):
        top1 = {name: values["top1"] for name, values in target["conditions"].items()}
        assert top1["attack/pgd-linf@2"] < top1["attack/fgsm-linf@2"] < top1["clean"] - 0.3
        assert top1["attack/pgd-linf@2"] < top1["attack/pgd-linf@0.5"] < top1["clean"] - 0.1
        assert top1["blackbox/square-linf@8"] < top1["clean"]
    diva = "attack/diva-linf@8+qdq"
    assert int8["conditions"][diva]["top1"] < reference["conditions"][diva]["top1"]


def test_the_summary_tells_what_the_figures_are_worth(attacked):
    out, _, _, done = attacked
    block = summary_of(out)["attacks"]
    assert set(block["targets"]) == {"onnxruntime/fp32@cpu", "onnxruntime/int8@cpu"}
    assert "masking" in done.stdout.lower()
    assert summary_of(out)["timing"]["attacks"] > 0
    page = (out / "report.html").read_text()
    assert "attack/pgd-linf@2+qdq" in page
    assert page.count("<script") == 1, "the page's own"


def test_images_reproduce_bit_for_bit_from_the_seed(attacked, tmp_path):
    _, cache, words, _ = attacked
    run([*words, "--workers", 1, "--batch-size", 7, "--out", tmp_path / "run"], tmp_path / "cache")
    before, again = chunks(cache), chunks(tmp_path / "cache")
    assert before.keys() == again.keys()
    for name, path in before.items():
        one, two = (np.load(io.BytesIO(read_artefact(file).content)) for file in (path, again[name]))
        assert all(np.array_equal(one[field], two[field]) for field in one.files)
    for trial in sorted((attacked[0] / "trials").iterdir()):
        assert pq.read_table(trial).equals(pq.read_table(tmp_path / "run/trials" / trial.name))


def test_another_seed_draws_other_starts(attacked, tmp_path):
    _, cache, words, _ = attacked
    run(
        [*words, "--limit", 10, "--seed", 1, *asked("attack/pgd-linf@2"), "--out", tmp_path / "run"], tmp_path / "cache"
    )
    assert not chunks(cache).keys() & chunks(tmp_path / "cache").keys()


def test_a_further_target_makes_only_what_is_new(attacked, tmp_path):
    _, cache, words, _ = attacked
    old = {name: path.stat().st_mtime_ns for name, path in chunks(cache).items()}
    more = ["--target", "onnxruntime/int8", "--target", "openvino/int8"]
    ids = asked("attack/fgsm-linf@2+*", "attack/fgsm-linf@2")
    run([*words[: words.index("--conditions")], *ids, *more, "--out", tmp_path / "run"], cache)
    new = chunks(cache)
    assert all(new[name].stat().st_mtime_ns == made for name, made in old.items())
    assert {condition for _, condition in trial_files(tmp_path / "run", "attacks")} == {
        "attack/fgsm-linf@2",
        "attack/fgsm-linf@2+qdq-onnxruntime-int8",
        "attack/fgsm-linf@2+qdq-openvino-int8",
    }
    assert len(new) - len(old) == 2 * -(-66 // 64), "two quantized files; what was made on the source is there"
    for target in summary_of(tmp_path / "run")["targets"]:
        assert len(target["conditions"]) == 4


def test_a_killed_run_goes_on_behind_its_last_chunk(shared, tmp_path):
    words = cifar(shared, "--limit", 130, *asked("attack/pgd-linf@2", "attack/pgd-linf@8"), "--workers", 1)
    words = [*map(str, words), "--out", str(tmp_path / "run")]
    environment = {**os.environ, "SEATRIAL_CACHE": str(tmp_path / "cache")}
    process = subprocess.Popen(
        [sys.executable, ROOT / "bench.py", *words, *QUICK_TIMING],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while len(chunks(tmp_path / "cache")) < 2 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = {name: path.stat().st_mtime_ns for name, path in chunks(tmp_path / "cache").items()}
    assert 2 <= len(finished) < 6
    run(words, tmp_path / "cache")
    after = chunks(tmp_path / "cache")
    assert len(after) == 6
    assert all(after[name].stat().st_mtime_ns == made for name, made in finished.items())
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "run/trials").iterdir()}
    run(words, tmp_path / "cache")
    assert all(path.stat().st_mtime_ns == made for path, made in kept.items())


def test_a_run_goes_on_where_the_cache_is_gone(attacked, tmp_path):
    out, _, words, _ = attacked
    before = summary_of(out)
    trial_files(out)["onnxruntime/int8@cpu", "attack/pgd-linf@2"].unlink()
    run([*words, "--out", out], tmp_path / "cache")
    after = summary_of(out)
    assert after["attacks"] == before["attacks"]
    for one, other in zip(before["targets"], after["targets"], strict=True):
        assert one["conditions"] == other["conditions"]


def test_another_architecture_may_be_the_surrogate(shared, tmp_path):
    words = cifar(shared, "--limit", 32, "--surrogate", f"r56={shared / 'models/cifar10_resnet56.onnx'}")
    ids = asked("attack/pgd-linf@8", "attack/pgd-linf@8+r56")
    run([*words, *ids, "--out", tmp_path / "run"], tmp_path / "cache")
    reference = summary_of(tmp_path / "run")["targets"][0]["conditions"]
    own, other, clean = (reference[name]["top1"] for name in ("attack/pgd-linf@8", "attack/pgd-linf@8+r56", "clean"))
    assert own < other < clean - 0.1, "transfer between architectures is weaker than the white box, and still hurts"


@pytest.mark.long
def test_surrogates_with_other_class_indices_are_told_the_same_truth(shared, tmp_path):
    squeezenet = tmp_path / "squeezenet.onnx"
    done = bench(
        [
            "export",
            "--model",
            shared / "models/imagenet_squeezenet1_1.onnx",
            "--preset",
            "imagenet",
            "--out",
            squeezenet,
        ]
    )
    assert done.returncode == 0, done.stderr
    words = [
        "--advisory",
        "--model",
        shared / "models/imagenet_mobilenet_v1_075.onnx",
        "--preset",
        "imagenet-inception",
    ]
    words += ["--data", shared / "data/imagenet/val", "--classes", shared / "data/imagenet/classes.csv", "--limit", 16]
    words += ["--engine", "onnxruntime", "--bits", 32, "--surrogate", squeezenet]
    run([*words, *asked("attack/fgsm-linf@8+squeezenet"), "--out", tmp_path / "run"], tmp_path / "cache")
    rows = trials(tmp_path / "run", "attacks")["all", "attack/fgsm-linf@8+squeezenet"]
    right = rows["clean_correct"].to_numpy()
    assert right.mean() > 0.3, "SqueezeNet's 1000 classes are MobileNet's 1001 behind the background class"
    assert rows["correct"].to_numpy().sum() <= right.sum() / 2


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["--conditions", "attack/diva-linf@2"], 2, "quantized file"),
        (["--conditions", "attack/pgd-linf@2+nowhere"], 2, "no surrogate 'nowhere'"),
        (["--conditions", "attack/pgd-linf@2+qdq", "--bits", "32"], 2, "no surrogate 'qdq'"),
        (["--conditions", "attack/pgd-linf@2", "--attack-device", "cuda:0"], 3, "cuda"),
        (["--conditions", "attack/pgd-linf@2", "--restarts", "0"], 2, "--restarts"),
        (["--conditions", "blackbox/square-linf@0.5"], 2, "8-bit"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(tmp_path, words, status, says):
    if "cuda:0" in words:
        import torch

        if torch.cuda.is_available():
            pytest.skip("a GPU is there")
    data, calib = make_folders(tmp_path / "test", images=8), make_folders(tmp_path / "calib", images=4, seed=1)
    model = make_model(tmp_path / "small.onnx")
    done = bench(
        [
            "--model",
            model,
            "--size",
            16,
            "--data",
            data,
            "--calib",
            calib,
            "--out",
            tmp_path / "run",
            "--advisory",
            *words,
        ]
    )
    assert done.returncode == status, done.stderr
    assert says in done.stderr
    assert not (tmp_path / "run/summary.json").exists()


def test_a_surrogate_that_is_not_there_is_named(tmp_path):
    model, data = make_model(tmp_path / "m.onnx"), make_folders(tmp_path / "data")
    words = ["--model", model, "--size", 16, "--data", data, "--bits", 32, "--conditions", "attack/fgsm-linf@8"]
    done = bench([*words, "--surrogate", "big=absent.onnx", "--out", tmp_path / "run"])
    assert done.returncode == 2
    assert "--surrogate big: There is no model file absent.onnx" in done.stderr


def test_a_surrogate_of_another_size_is_refused(shared, tmp_path):
    words = cifar(shared, "--surrogate", shared / "models/gtsrbnet64.onnx", *asked("attack/fgsm-linf@2+gtsrbnet64"))
    done = bench([*words, "--out", tmp_path / "run"])
    assert done.returncode == 2
    assert "must fit both" in done.stderr or "size" in done.stderr


def test_a_model_that_takes_8_bit_pixels_is_asked_about_no_others(tmp_path):
    small = exporters.load(make_model(tmp_path / "small.onnx"), contract=ContractOptions(size=(16, 16)))
    taking = REWRITES["uint8-input"](small)
    path = tmp_path / "uint8.onnx"
    onnx.save(taking.proto, path)
    data, calib = make_folders(tmp_path / "test", images=8), make_folders(tmp_path / "calib", images=4, seed=1)
    words = [
        "--advisory",
        "--model",
        path,
        "--size",
        16,
        "--data",
        data,
        "--calib",
        calib,
        "--engine",
        "onnxruntime",
        "--bits",
        32,
    ]
    run([*words, *asked("attack/fgsm-linf@*"), "--out", tmp_path / "run"], tmp_path / "cache")
    summary = summary_of(tmp_path / "run")
    assert [*summary["targets"][0]["conditions"]] == ["clean", "attack/fgsm-linf@2", "attack/fgsm-linf@8"]
    assert any("attack/fgsm-linf@0.5" in note and "8-bit" in note for note in summary["notes"])


def test_without_pytorch_the_install_line_is_told_before_anything_runs(tmp_path):
    hide = tmp_path / "hide"
    hide.mkdir()
    (hide / "sitecustomize.py").write_text(
        "import importlib.util, sys\n"
        "class Hidden:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'torch':\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Hidden())\n"
        "real = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, package=None: None if name == 'torch' else real(name, package)\n"
    )
    done = bench_process(
        ["--conditions", "attack/pgd-linf@2", "--out", tmp_path / "run"],
        env={**os.environ, "PYTHONPATH": str(hide)},
    )
    assert done.returncode == 3
    assert "pip install 'seatrial[torch]'" in done.stderr
    done = bench_process(["contract", "--help"], env={**os.environ, "PYTHONPATH": str(hide)})
    assert done.returncode == 0, "nothing else needs it"
