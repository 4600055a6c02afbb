"""The agent on a 64-bit Arm board whose Python is slow to start, as on the boards that it is made for."""

from __future__ import annotations

import os
import signal

from agent_host import AgentHost, AgentPlace, archive, digest, left_of

from seatrial.engines.places import EngineProcess


def test_an_arm_board_boots_serves_and_leaves_nothing(tmp_path, arm_python):
    with AgentHost(tmp_path, python=str(arm_python), hello={"silence_s": 120}) as host:
        assert (host.hello["machine"], host.hello["system"]) == ("aarch64", "Linux")
        assert host.ask("lease", wait_s=0) == {"held": True, "put_out": None}
        content = os.urandom(1 << 20)
        assert host.upload(content)[1] == {"done": True}
        with EngineProcess("null", lanes=2, place=AgentPlace(host)) as process:
            assert process.about().installed
            assert process.there().processor.machine == "aarch64"
            os.kill(host.hello["pid"], signal.SIGKILL)
            assert host.gone.wait(30)
            assert not left_of(tmp_path, 30)
    with AgentHost(tmp_path, python=str(arm_python)) as host:
        assert host.lines[0]["have"]
        assert host.hello["digest"] == digest(archive())
        assert host.leave() == 0
