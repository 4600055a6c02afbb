"""The user's own code runs in a process of its own: whatever it does, the command says so and ends as it should."""

import signal
import sys

import numpy as np
import psutil
import pytest
import torch
from conftest import ROOT, bench

from seatrial import exporters
from seatrial.errors import BadInputError, UsageError
from seatrial.exporters import ContractOptions
from seatrial.exporters.torch_sources import placed
from seatrial.exporters.torch_sources.factory import module_from_factory
from seatrial.exporters.torch_sources.placed import PlacedSource

OPTIONS = ContractOptions(size=(12, 12), mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
CODE = """
import os, signal, sys, time
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, at_the_end=lambda: None):
        super().__init__()
        self.at_the_end = at_the_end
        self.head = nn.Linear(3, 4)

    def forward(self, x):
        if not torch.compiler.is_compiling():
            self.at_the_end()
        return self.head(x.mean((2, 3)))


def net():
    print("made on standard output")
    torch.manual_seed(0)
    return Net()


def exits():
    sys.exit(0)


def exits_at_once():
    print("\\x1b[31mlast words")
    os._exit(0)


def crashes():
    os.kill(os.getpid(), signal.SIGSEGV)


def closes():
    os.closerange(3, 100)
    time.sleep(60)


def hangs():
    time.sleep(600)


def exits_when_asked():
    return Net(lambda: os._exit(0))


def fails_when_asked():
    return Net(lambda: sys.exit(0))
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("placed") / "nets.py"
    path.write_text(CODE)
    path.with_name("exits.py").write_text("import sys\nsys.exit()\n")
    return path


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("exits", r"nets.py:exits\(\) failed: SystemExit\(0\)"),
        ("exits_at_once", r"ended its process with exit status 0.*\n    \?\[31mlast words"),
        ("crashes", r"crashed \(signal 11, SIGSEGV\)"),
        ("closes", r"nets.py:closes closed its channel"),
        ("hangs", r"nets.py:hangs did not load within 4 s"),
    ],
)
def test_code_that_does_not_come_back(file, name, says, monkeypatch, begun):
    if name == "hangs":
        monkeypatch.setattr(placed, "LOAD_S", 4.0)
    with pytest.raises(BadInputError, match=says):
        PlacedSource(file, name, None)
    assert not begun()


def test_the_command_fails_where_the_file_exits(file, tmp_path):
    words = ["--model", f"{file.with_name('exits.py')}:net", "--size", "12", "--mean", "0", "0", "0"]
    done = bench(["export", *words, "--std", "1", "1", "1", "--out", tmp_path / "out.onnx"])
    assert done.returncode == 2
    assert "exits.py cannot be imported: SystemExit()" in done.stderr
    assert not list(tmp_path.iterdir())


def test_it_answers_as_the_module_itself(file, capfd, begun):
    source = PlacedSource(file, "net", None)
    model = exporters.deploy(source, contract=OPTIONS)
    assert (model.name, model.classes) == ("net", 4)
    tensor = np.random.default_rng(0).standard_normal((3, 3, 12, 12), np.float32)
    with torch.inference_mode():
        expected = module_from_factory(file, "net")(torch.from_numpy(tensor)).numpy()
    assert "made" in capfd.readouterr().out  # of this process, and of the other nothing
    np.testing.assert_array_equal(source.infer(tensor), expected)
    np.testing.assert_array_equal(source.intermediates(tensor)["logits"], expected)
    source.close()
    assert not begun()
    assert capfd.readouterr() == ("", "")


def test_modules_that_end_when_they_are_asked(file, begun):
    tensor = np.zeros((1, 3, 12, 12), np.float32)
    with pytest.raises(BadInputError, match="ended its process with exit status 0"):
        PlacedSource(file, "exits_when_asked", None).infer(tensor)
    source = PlacedSource(file, "fails_when_asked", None)
    for _ in range(2):  # it is asked again, and answers
        with pytest.raises(BadInputError, match=r"the module failed: SystemExit\(0\)"):
            source.infer(tensor)
    del source
    assert not begun()


def test_no_file_starts_no_process(tmp_path):
    with pytest.raises(UsageError, match="There is no file"):
        PlacedSource(tmp_path / "none.py", "net", None)


def test_it_ends_with_the_run(file, tmp_path):
    """Also where the run is killed."""
    code = (
        f"from pathlib import Path; from seatrial.exporters.torch_sources.placed import PlacedSource\n"
        f"source = PlacedSource(Path({str(file)!r}), 'net', None)\n"
        f"print(source._process.pid, flush=True); import time; time.sleep(60)\n"
    )
    run = psutil.Popen([sys.executable, "-c", code], stdout=-1, text=True, cwd=ROOT)
    other = psutil.Process(int(run.stdout.readline()))
    run.send_signal(signal.SIGKILL)
    run.communicate()
    psutil.wait_procs([other], timeout=10)
    assert not other.is_running() or other.status() == psutil.STATUS_ZOMBIE
