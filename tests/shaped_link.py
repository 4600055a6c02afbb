"""A slow, distant link, as ssh's ProxyCommand: `python shaped_link.py HOST PORT BYTES_PER_SECOND DELAY_S`.

Each direction carries so many bytes a second, and each byte arrives so long after it left. What is on its way is
bounded, as by a router's buffer: whoever writes faster waits.
"""

from __future__ import annotations

import collections
import os
import socket
import sys
import threading
import time
from collections.abc import Callable

# Of one read. At 10 MB/s it lasts 1.6 ms.
_CHUNK = 1 << 14
# Beyond what is on its way by the delay alone.
_BUFFER_S = 0.05


def carry(read: Callable[[int], bytes], write: Callable[[bytes], object], rate: float, delay_s: float) -> None:
    """Carries bytes until `read` gives none."""
    on_the_way: collections.deque[tuple[float, bytes]] = collections.deque()
    changed = threading.Condition()
    ended = False

    def deliver() -> None:
        while True:
            with changed:
                changed.wait_for(lambda: on_the_way or ended)
                if not on_the_way:
                    return
                due, content = on_the_way.popleft()
            time.sleep(max(0.0, due - time.monotonic()))
            write(content)

    delivering = threading.Thread(target=deliver, daemon=True)
    delivering.start()
    free = time.monotonic()
    while content := read(_CHUNK):
        free = max(free, time.monotonic()) + len(content) / rate
        with changed:
            on_the_way.append((free + delay_s, content))
            changed.notify()
        time.sleep(max(0.0, free - _BUFFER_S - time.monotonic()))
    with changed:
        ended = True
        changed.notify()
    delivering.join()


def main(host: str, port: str, rate: str, delay_s: str) -> None:
    """Standard input and output <-> the socket."""
    far = socket.create_connection((host, int(port)))
    far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def out() -> None:
        carry(lambda count: os.read(0, count), far.sendall, float(rate), float(delay_s))
        far.shutdown(socket.SHUT_WR)

    def write(content: bytes) -> None:
        view = memoryview(content)
        while view:
            view = view[os.write(1, view) :]

    threading.Thread(target=out, daemon=True).start()
    carry(far.recv, write, float(rate), float(delay_s))


if __name__ == "__main__":
    main(*sys.argv[1:])
