"""Builds plans with tensorrt-rtx, on any machine: only running them needs a GPU."""


def build(trt, onnx_bytes, capability):
    """Bytes of the plan, or TensorRT's words of refusal."""
    said = []

    class Logger(trt.ILogger):
        def __init__(self):
            trt.ILogger.__init__(self)

        def log(self, severity, message):
            if severity <= trt.ILogger.ERROR:
                said.append(message)

    logger = Logger()
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(onnx_bytes):
        errors = [parser.get_error(index) for index in range(parser.num_errors)]
        return f"parser: {'; '.join(f'{error.node_name()}: {error.desc()}' for error in errors)}"
    config = builder.create_builder_config()
    config.num_compute_capabilities = 1
    config.set_compute_capability(getattr(trt.ComputeCapability, capability), 0)
    image = network.get_input(0)
    assert (network.num_inputs, image.dtype) == (1, trt.float32)
    assert network.get_output(0).dtype == trt.float32
    profile = builder.create_optimization_profile()
    shapes = [[batch if extent < 0 else extent for extent in image.shape] for batch in (1, 1, 16)]
    profile.set_shape(image.name, *shapes)
    config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    return f"builder: {'; '.join(said)}" if plan is None else plan.nbytes
