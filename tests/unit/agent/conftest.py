from __future__ import annotations

import numpy as np
import pytest
from agent_host import AgentHost, left_of


@pytest.fixture
def board(tmp_path):
    """One that has the lease; nothing of it may be left."""
    with AgentHost(tmp_path) as host:
        assert host.ask("lease", wait_s=0) == {"held": True, "put_out": None}
        yield host
    assert not left_of(tmp_path)


@pytest.fixture
def batch():
    return np.random.default_rng(0).standard_normal((6, 3, 16, 16), dtype=np.float32)
