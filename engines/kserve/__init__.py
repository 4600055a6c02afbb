"""Served endpoints: a model behind a server that speaks the Open Inference Protocol v2, over HTTP or gRPC."""
