from __future__ import annotations

import subprocess
import sys
import time

import pytest

from seatrial.agent.jobs import Job, Ran
from seatrial.agent.refusals import RefusedError


class Heard:
    """What the host would hear."""

    def __init__(self):
        self.answers = []

    def post(self, call):
        call()

    def answer(self, number, fields):
        self.answers.append((number, fields))

    def took(self, lane, count):
        raise AssertionError


def echo(job):
    job.note("at it", step=1)
    return {"said": job.fields["say"], "ran": list(job.run([sys.executable, "-c", f"print({job.fields['say']!r})"]))}


def refuses(job):
    raise RefusedError("unsupported", "not here")


def fails(job):
    raise ZeroDivisionError


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def job(tmp_path, heard):
    return Job(7, {"say": "a; $(b) 'c'"}, tmp_path, {}, heard)


def finished(job, name):
    job.start(f"{__name__}:{name}")
    end = time.monotonic() + 20
    while not job.done or not job._sayer.answers:
        assert time.monotonic() < end
        time.sleep(0.01)
    time.sleep(0.02)
    return job._sayer.answers


def test_a_job_tells_how_far_it_is_and_what_it_found(job):
    said = "a; $(b) 'c'"
    assert finished(job, "echo") == [
        (7, {"more": True, "note": "at it", "step": 1}),
        (7, {"said": said, "ran": [0, f"{said}\n"]}),
    ]


@pytest.mark.parametrize(
    ("name", "error", "says"), [("refuses", "unsupported", "not here"), ("fails", "internal", "ZeroDivisionError")]
)
def test_a_job_that_fails_answers(job, name, error, says):
    ((number, answer),) = finished(job, name)
    assert (number, answer["error"]) == (7, error)
    assert says in answer["says"]


def test_a_command_that_is_not_there_and_one_that_takes_too_long_are_refused(job):
    with pytest.raises(RefusedError, match="no-such-command cannot be started"):
        job.run(["no-such-command"])
    begin = time.monotonic()
    with pytest.raises(RefusedError, match=r"took longer than 0\.3 s"):
        job.run(["sh", "-c", "sleep 60 & sleep 60"], timeout_s=0.3)
    assert time.monotonic() - begin < 10


def test_a_command_ends_with_what_it_started_and_of_its_output_the_last_is_kept(job):
    begin = time.monotonic()
    assert job.run(["sh", "-c", "sleep 61 & echo it; exit 3"]) == Ran(3, "it\n")
    assert time.monotonic() - begin < 10
    assert "sleep 61" not in subprocess.run(["ps", "ax"], capture_output=True, text=True, check=True).stdout
    long = job.run([sys.executable, "-c", "print('x' * 200_000 + 'the end')"])
    assert len(long.output) == 1 << 16
    assert long.output.endswith("the end\n")


def test_a_file_that_the_host_sent_has_a_place(job, tmp_path):
    assert job.blob("ab") == tmp_path / "blobs" / "ab"
