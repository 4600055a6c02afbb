"""What a server of models answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from fuzz import mutators
from fuzz.readers.table import reader


def _served_samples(root: Path) -> list[bytes]:
    tensor = {"name": "logits", "datatype": "FP32", "shape": [2, 4]}
    model = {"name": "m", "versions": ["1"], "inputs": [{**tensor, "shape": [-1, 3, 16, 16]}], "outputs": [tensor]}
    answer = {"model_name": "m", "model_version": "1", "outputs": [{**tensor, "data": [0.5] * 8}]}
    raw = {**answer, "outputs": [{**tensor, "parameters": {"binary_data_size": 32}}]}
    durations = {name: {"count": 1, "ns": 5} for name in ("success", "queue", "compute_input", "compute_infer")}
    found = [{"name": "s", "version": "1", **model}, answer, {"model_stats": [{"inference_stats": durations}]}]
    found += [{"error": "no"}, {"max_batch_size": 8}]
    return [*(json.dumps(one).encode() for one in found), json.dumps(raw).encode() + bytes(32)]


@reader("words of a server", _served_samples, mutators=(*mutators.BYTES, *mutators.JSON), weight=15)
def _read_served(path: Path) -> None:
    from seatrial.engines.kserve.client import Query
    from seatrial.engines.kserve.described import described_of, parsed
    from seatrial.engines.kserve.endpoint import address_of
    from seatrial.engines.kserve.http import _answer, _error_in
    from seatrial.engines.kserve.statistics import statistics_of
    from seatrial.errors import DeviceError

    content = path.read_bytes()
    _error_in(content)
    query = Query("input", "FP32", np.zeros((2, 3, 16, 16), np.float32), None, 4)
    refused = []
    for head in (None, str(len(content) - 32)):
        try:
            _answer(content, head, query)
        except DeviceError as error:
            refused.append(error)
    try:
        found = parsed(content)
        statistics_of(found)
        described_of(found, found, found, address_of("http://h:8000/v2/models/m"))
    except DeviceError:
        if len(refused) == 2:
            raise
