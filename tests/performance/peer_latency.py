"""Times single queries of one model in a process of its own, by a loop that is not ours: for each line of standard
input, as many seconds as stand there, percentiles as a line of JSON.

python peer_latency.py LOOP RUNTIME MODEL.onnx QUERIES.npy FOLDER

LOOP: `bare`, a loop over the runtime's own API; `loadgen`, MLPerf's load generator in front of it, whose logs go to
FOLDER. QUERIES: float32 [N, 1, ...].
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path

import numpy as np

WARM_UP_S = 0.3


def onnxruntime_(path, queries):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    outputs, name = [session.get_outputs()[0].name], session.get_inputs()[0].name
    return lambda query: session.run(outputs, {name: query})[0]


def openvino_(path, queries):
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    model.reshape({model.inputs[0]: list(queries[0].shape)})
    options = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": 1, "ENABLE_CPU_PINNING": False}
    compiled = core.compile_model(model, "CPU", {**options, "INFERENCE_PRECISION_HINT": "f32"})
    request, output = compiled.create_infer_request(), compiled.output(0)
    return lambda query: request.infer({0: query}, share_inputs=True)[output]


def pytorch_(path, queries):
    import torch

    from seatrial.engines.torch_graph import TorchGraph

    torch.set_num_threads(1)
    graph = TorchGraph(Path(path).read_bytes(), None).to(memory_format=torch.channels_last)

    def infer(query):
        tensor = torch.from_numpy(query)
        return graph(tensor.contiguous(memory_format=torch.channels_last)).numpy()

    return torch.inference_mode()(infer)


def bare(infer, queries, seconds, folder):
    taken, clock = [], time.perf_counter_ns
    end, number = clock() + int(seconds * 1e9), 0
    while clock() < end:
        query = queries[number % len(queries)]
        number += 1
        begin = clock()
        infer(query)
        taken.append(clock() - begin)
    ordered = sorted(taken)
    return {f"p{p}": ordered[-(-len(ordered) * p // 100) - 1] for p in (50, 90)}


def loadgen(infer, queries, seconds, folder):
    import mlperf_loadgen as lg

    settings = lg.TestSettings()
    settings.scenario, settings.mode = lg.TestScenario.SingleStream, lg.TestMode.PerformanceOnly
    settings.min_duration_ms, settings.min_query_count = int(seconds * 1e3), 1
    logs = lg.LogSettings()
    logs.log_output.outdir = folder
    logs.log_output.copy_summary_to_stdout = False

    def issue(samples):
        for sample in samples:
            infer(queries[sample.index])
            lg.QuerySamplesComplete([lg.QuerySampleResponse(sample.id, 0, 0)])

    system = lg.ConstructSUT(issue, lambda: None)
    library = lg.ConstructQSL(len(queries), len(queries), lambda indices: None, lambda indices: None)
    lg.StartTestWithLogSettings(system, library, settings, logs)
    lg.DestroyQSL(library)
    lg.DestroySUT(system)
    summary = (Path(folder) / "mlperf_log_summary.txt").read_text()
    return {f"p{p}": int(re.search(rf"{p}\.00 percentile latency \(ns\)\s*: (\d+)", summary)[1]) for p in (50, 90)}


def main(loop, runtime, model, queries, folder):
    rows = list(np.load(queries))
    infer = {"onnxruntime": onnxruntime_, "openvino": openvino_, "pytorch": pytorch_}[runtime](model, rows)
    measure = {"bare": bare, "loadgen": loadgen}[loop]
    end = time.perf_counter() + WARM_UP_S
    while time.perf_counter() < end:
        infer(rows[0])
    for line in sys.stdin:
        infer(rows[0])  # what ran before in this turn left its data in the caches
        print(json.dumps(measure(infer, rows, float(line), folder)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
