"""python decoder_fuzz.py DECODER EXAMPLES FILE...: flips bytes of real files and decodes them.

Every answer must be pixels or a BadInputError that names the file. To be run in a process of its own: a decoder in C
that is brought down takes its process along. Prints how many decoded, how many were refused, and the process's largest
resident memory in MB.
"""

import re
import sys
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seatrial.errors import BadInputError
from seatrial.harness.data.source import Payload
from seatrial.harness.pipeline.decoders import decode


def fuzz(decoder, examples, files):
    answers = {"decoded": 0, "refused": 0}

    @settings(
        max_examples=examples, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(
        st.sampled_from(files),
        # Half of the flips fall on the headers, where they mean most.
        st.lists(st.tuples(st.booleans(), st.floats(0, 1), st.integers(1, 255)), min_size=1, max_size=20),
    )
    def flipped(content, flips):
        raw = bytearray(content)
        for early, place, value in flips:
            raw[int(place * (min(len(raw), 700) - 1 if early else len(raw) - 1))] ^= value
        try:
            pixels = decode(Payload("fuzzed.img", bytes(raw)), decoder)
        except BadInputError as error:
            assert "fuzzed.img" in str(error)  # noqa: PT017
            answers["refused"] += 1
        else:
            assert pixels.dtype == np.uint8
            assert pixels.ndim == 3
            assert pixels.shape[2] == 3
            answers["decoded"] += 1

    flipped()
    return answers


if __name__ == "__main__":
    if sys.argv[1] == "torchvision":
        import torchvision_without_cuda

        torchvision_without_cuda.make_importable()
    found = fuzz(sys.argv[1], int(sys.argv[2]), [Path(name).read_bytes() for name in sys.argv[3:]])
    # Not getrusage, which counts what the parent had before this program began.
    (memory,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    print(f"FUZZED {found['decoded']} {found['refused']} {int(memory) // 1024}")
