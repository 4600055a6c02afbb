"""Plans that the adapter builds with tensorrt-rtx, on any machine: only running them needs a GPU."""

import onnx

from seatrial.engines.base import BuildRequest
from seatrial.engines.builder_options import BuilderOptions
from seatrial.engines.tensorrt.build import build_plan
from seatrial.engines.tensorrt.rtx import Rtx
from seatrial.errors import BuildError


def plan_request(onnx_bytes, capability, *, precision="fp32", max_batch=16, **changes):
    """A request to build a file of one image input and one output of logits for a compute capability as 8.9."""
    graph = onnx.load_model_from_string(onnx_bytes).graph
    (image,), logits = graph.input, graph.output[0]
    batch, *shape = (extent.dim_value for extent in image.type.tensor_type.shape.dim)
    return BuildRequest(
        onnx_bytes,
        image.name,
        logits.name,
        tuple(shape),
        logits.type.tensor_type.shape.dim[1].dim_value,
        precision=precision,
        device="cuda",
        fixed_batch=batch or None,
        builder=BuilderOptions(max_batch=max_batch, compute_capability=capability),
        **changes,
    )


def build(trt, onnx_bytes, capability):
    """Bytes of the plan that the adapter makes for `SM89`, or TensorRT's words of refusal.

    What the adapter refuses beforehand is not asked: tests compare that with what TensorRT refuses itself.
    """
    request = plan_request(onnx_bytes, f"{capability[2:-1]}.{capability[-1]}")
    try:
        return len(build_plan(trt, Rtx(), request))
    except BuildError as error:
        return str(error)
