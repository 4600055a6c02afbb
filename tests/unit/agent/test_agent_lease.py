from __future__ import annotations

import json
import os
import pwd
import signal
import subprocess
import time
from pathlib import Path

import pytest
from agent_host import AgentHost, AgentPlace, left_of

from seatrial.engines.places import EngineProcess

OTHER = "nobody"


def take(host, **more):
    return host.ask("lease", **{"wait_s": 0, **more})


@pytest.fixture
def holder(tmp_path):
    with AgentHost(tmp_path, hello={"owner": "ada@lab pid 7"}) as host:
        assert take(host)["held"]
        yield host


def test_one_at_a_time_and_the_other_is_told_who(tmp_path, holder):
    with AgentHost(tmp_path) as second:
        found = take(second)
        assert found == {
            "held": False,
            "owner": "ada@lab pid 7",
            "user": pwd.getpwuid(os.getuid()).pw_name,
            "since": pytest.approx(time.time(), abs=20),
            "expires": pytest.approx(time.time() + 60, abs=20),
        }
        assert second.ask("start", engine=1, lanes=1, memory_bytes=None)["error"] == "no lease"
        begin = time.monotonic()
        assert not take(second, wait_s=0.6)["held"]
        assert time.monotonic() - begin >= 0.5
        answers = second.begin("lease", wait_s=None)
        first = answers.get(timeout=60)
        assert (first["more"], first["owner"]) == (True, "ada@lab pid 7")
        assert second.ask("lease", wait_s=0)["says"] == "The lease is waited for already."
        holder.leave()
        assert answers.get(timeout=60)["held"]
    assert not list(tmp_path.glob("lease.*"))  # nobody says so any more
    with AgentHost(tmp_path) as third:
        assert take(third)["held"]
        assert take(third)["held"]


def test_it_lasts_until_all_that_was_started_is_gone(tmp_path, holder):
    """The guardian has the lock, too."""
    with EngineProcess("null", place=AgentPlace(holder)) as process, AgentHost(tmp_path) as second:
        process.about()
        os.kill(holder.process.pid, signal.SIGSTOP)
        os.kill(holder.hello["pid"], signal.SIGKILL)
        assert holder.gone.wait(60)
        assert not take(second)["held"]
        os.kill(holder.process.pid, signal.SIGCONT)
        assert take(second, wait_s=10)["held"]


def test_a_holder_that_is_stopped_is_put_out_once_it_expired(tmp_path, unruly):
    with AgentHost(tmp_path, hello={"owner": "the stopped one", "lease_s": 1.0}) as stopped:
        assert take(stopped)["held"]
        with EngineProcess("null", place=AgentPlace(stopped)) as process, AgentHost(tmp_path) as second:
            process.about()
            assert not take(second)["held"]  # it lives
            for pid in (stopped.hello["pid"], stopped.process.pid):
                os.kill(pid, signal.SIGSTOP)
            assert not take(second)["held"]  # not yet
            time.sleep(1)
            assert take(second) == {"held": True, "put_out": "the stopped one"}
            assert stopped.gone.wait(60)
            assert stopped.process.wait(60) == 128 + signal.SIGKILL
    assert not left_of(tmp_path)


def test_a_holder_that_lives_renews_its_lease(tmp_path):
    with AgentHost(tmp_path, hello={"lease_s": 1.0, "silence_s": 1.0}) as first, AgentHost(tmp_path) as second:
        assert take(first)["held"]
        assert not take(second, wait_s=2.5)["held"]


@pytest.fixture
def elsewhere(tmp_path):
    """A home of another user, who can reach it."""
    if os.getuid():
        pytest.skip("only root can be two users")
    home = Path(subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip())
    os.chown(home, pwd.getpwnam(OTHER).pw_uid, -1)
    yield home
    subprocess.run(["rm", "-rf", str(home)], check=True)


@pytest.fixture
def meeting_place():
    """A lease's file in a folder like /tmp, where all may write and nobody may remove what is another's."""
    folder = Path(subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip())
    folder.chmod(0o1777)
    yield folder / "lease"
    subprocess.run(["rm", "-rf", str(folder)], check=True)


@pytest.mark.parametrize("first", ["root", OTHER])
def test_users_meet_at_one_file_and_none_puts_another_out(tmp_path, elsewhere, meeting_place, first):
    hello = {"lease_file": str(meeting_place), "lease_s": 0.5}
    python = "/usr/bin/python3"
    mine = {"home": tmp_path, "hello": {**hello, "owner": "root's run"}, "python": python}
    theirs = {"home": elsewhere, "hello": {**hello, "owner": "nobody's run"}, "python": python, "user": OTHER}
    a, b = (mine, theirs) if first == "root" else (theirs, mine)
    with AgentHost(**a) as holder, AgentHost(**b) as other:
        assert (holder.hello["user"], other.hello["user"]) == ((first, OTHER) if first == "root" else (first, "root"))
        assert take(holder)["held"]
        found = take(other)
        assert (found["held"], found["owner"], found["user"]) == (False, a["hello"]["owner"], first)
        os.kill(holder.hello["pid"], signal.SIGSTOP)
        time.sleep(1)
        assert not take(other)["held"]  # expired, but another user's
        os.kill(holder.hello["pid"], signal.SIGKILL)
        assert take(other, wait_s=10)["held"]
    assert meeting_place.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path.symlink_to(path.with_name("target")), "symbolic link"),
        (os.mkfifo, "is no regular file"),
        (lambda path: path.mkdir(), "is no regular file"),
        (lambda path: path.with_name("sub").write_text(""), None),
    ],
)
def test_a_file_that_is_none_is_not_locked(tmp_path, make, says):
    make(tmp_path / "lease")
    with AgentHost(tmp_path) as host:
        found = take(host)
        assert found.get("held") if says is None else (found["error"], says in found["says"]) == ("refused", True)
        assert not (tmp_path / "target").exists()


def test_a_folder_that_is_not_there_and_a_path_that_is_not_absolute_are_told(tmp_path):
    for path, says in ((str(tmp_path / "none" / "lease"), "No such file"), ("lease", "must be an absolute path")):
        with AgentHost(tmp_path, hello={"lease_file": path}) as host:
            assert says in take(host)["says"]


@pytest.mark.parametrize(
    "facts",
    [
        "not json",
        "[" * 4000,
        "{}",
        json.dumps({"owner": "x", "pid": 1, "begun": 0, "guardian": 1, "since": 0, "renewed": 0, "lease_s": 0}),
        json.dumps({"owner": "x", "pid": 1e400, "begun": 0, "guardian": 1, "since": 0, "renewed": 0, "lease_s": 0}),
        json.dumps({"owner": "x", "pid": "SELF", "begun": 1, "guardian": 0, "since": 0, "renewed": 0, "lease_s": 0}),
        "x" * 10_000,
    ],
)
def test_hostile_facts_of_a_holder_are_none(tmp_path, holder, facts):
    """Nobody is ended for what a file says."""
    bystander = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        (tmp_path / f"lease.{os.getuid()}").unlink()
        (tmp_path / f"lease.{os.getuid()}").write_text(facts.replace('"SELF"', str(bystander.pid)))
        os.mkfifo(tmp_path / "lease.77")
        (tmp_path / "lease.78").symlink_to("/etc/passwd")
        with AgentHost(tmp_path) as second:
            assert take(second) == {"held": False, "owner": None, "user": None, "since": None, "expires": None}
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_file_that_was_replaced_is_not_ours(tmp_path):
    with AgentHost(tmp_path) as host, AgentHost(tmp_path) as second:
        for one in (host, second):
            one.ask("")  # by then they have opened it
        host.lease_file.unlink()
        host.lease_file.write_text("")
        assert "was replaced meanwhile" in take(host)["says"]
        assert "was replaced meanwhile" in take(second)["says"]
