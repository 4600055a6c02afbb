"""What is known without a cluster: that Ray is missing, what is no executor, and how a node is shared out."""

import sys

import pytest
from conftest import bench

from seatrial.harness.run.executors.workers import Resources


def test_a_missing_ray_is_told_with_the_line_that_installs_it(model_file, data_folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    words = [
        "--model",
        model_file,
        "--size",
        16,
        "--data",
        data_folder,
        "--precision",
        "fp32",
        "--out",
        tmp_path / "run",
    ]
    done = bench([*words, "--conditions", "clean", "--executor", "ray"])
    assert done.returncode == 3
    assert "--executor ray needs ray, which is not installed. Install it: pip install 'seatrial[ray]'" in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_word_that_is_no_executor_is_told(tmp_path):
    done = bench(["--executor", "dask", "--out", tmp_path / "run"])
    assert done.returncode == 2
    assert "--executor 'dask' is unknown. Known: threads, ray, ray:ADDRESS." in done.stderr


@pytest.mark.parametrize(
    ("threads", "gpus", "each", "found"),
    [
        (16, 0, 0, [(16, 0)]),
        (16, 4, 0, [(16, 0)]),
        (16, 0, 1, [(16, 0)]),
        (16, 4, 1, [(4, 1)] * 4),
        (16, 4, 2, [(8, 2)] * 2),
        (16, 1, 2, [(16, 0)]),
        (2, 8, 1, [(1, 1)] * 2),
    ],
)
def test_a_node_has_one_worker_or_one_for_each_of_the_gpus_that_targets_need(threads, gpus, each, found):
    assert [(one.threads, one.gpus) for one in Resources(threads, gpus).shared(each)] == found
