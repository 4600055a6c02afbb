"""A Python process beside this one: a SIGINT that reaches it alone ends nothing, whenever it comes."""

import signal
import subprocess
import sys
import time

import pytest

from seatrial import child


@pytest.mark.parametrize("wait_s", [0.0, 0.005, 0.01, 0.02, 0.04, 0.08, 0.3])
def test_a_sigint_of_its_own_ends_nothing(tmp_path, wait_s):
    (tmp_path / "busy.py").write_text(
        "import time, unittest, xml.dom.minidom\n\n\ndef main(word):\n    time.sleep(0.3)\n    print(word)\n"
    )
    command = child.python("busy", ["done"], [str(tmp_path), *sys.path])
    process = child.start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(wait_s)
    process.send_signal(signal.SIGINT)
    said, wrote = process.communicate(timeout=60)
    assert (process.returncode, said, wrote) == (0, b"done\n", b"")


def test_this_process_hears_it_as_before():
    process = child.start(child.python("platform", ["x"]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    process.wait()
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_another_command_is_left_as_it_is():
    process = child.start(["sh", "-c", "kill -INT $$; echo no"], stdout=subprocess.PIPE)
    assert process.communicate(timeout=60)[0] == b""
    assert process.returncode == -signal.SIGINT
