"""A Ray cluster of this machine with nodes of one core each, in a process of its own: no test's process becomes part of
one.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

# Importing it takes a second, and is not this process's business.
needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
# A busy machine is no dead node.
_PATIENT = {
    "RAY_worker_niceness": "0",  # else whatever runs beside the tests comes first
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1",
    "RAY_gcs_server_request_timeout_seconds": "60",
    "RAY_health_check_initial_delay_ms": "30000",
    "RAY_health_check_timeout_ms": "30000",
    "RAY_raylet_start_wait_time_s": "120",
    "RAY_worker_register_timeout_seconds": "120",
}


class RayCluster:
    """A head, which has no core, and nodes, with one each. address: of the head. environment: of who joins."""

    def __init__(self, process: subprocess.Popen[str], environment: dict[str, str]) -> None:
        self._process, self.environment = process, environment
        self.address = self._answer()

    def add(self) -> None:
        """One more node."""
        self._ask("add")

    def kill(self) -> None:
        """Ends the last node at once, with all that runs there."""
        self._ask("kill")

    def _ask(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        assert self._answer() == word

    def _answer(self) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("cluster: "):
                return line.removeprefix("cluster: ").strip()
        raise RuntimeError("the cluster's process ended")


@contextmanager
def ray_cluster(nodes: int = 2, **environment: str) -> Iterator[RayCluster]:
    """Starts it, with so many nodes; ends it."""
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    inside = {
        **os.environ,
        **_PATIENT,
        "RAY_TMPDIR": folder,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        **environment,
    }
    with subprocess.Popen(
        [sys.executable, __file__, str(nodes)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=inside,
    ) as process:
        try:
            yield RayCluster(process, inside)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(60)
            finally:
                process.kill()
                shutil.rmtree(folder, ignore_errors=True)


def _serve(count: int) -> None:
    from ray.cluster_utils import Cluster

    quiet = {"include_dashboard": False, "object_store_memory": 100 << 20}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **quiet})
    nodes = [cluster.add_node(num_cpus=1, **quiet) for _ in range(count)]
    print(f"cluster: {cluster.address}", flush=True)
    for line in sys.stdin:
        if line.strip() == "kill":
            cluster.remove_node(nodes.pop(), allow_graceful=False)
        elif line.strip() == "add":
            nodes.append(cluster.add_node(num_cpus=1, **quiet))
        print(f"cluster: {line.strip()}", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
