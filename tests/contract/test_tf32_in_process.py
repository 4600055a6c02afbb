"""In the process of an engine on a GPU, TF32 is off before ONNX Runtime is imported and before it loads CUDA.

Without a GPU, a module of its name notes what it finds in the environment, as a library in C would find it.
"""

import json
import textwrap

import pytest

from seatrial.engines.onnxruntime_providers import PROVIDERS
from seatrial.engines.places import EngineProcess

PLAIN = [device for device, provider in PROVIDERS.items() if device != "cpu" and provider.plugin is None]
RUNTIME = """
    import ctypes, json, os

    _c = ctypes.CDLL(None)
    _c.getenv.restype = ctypes.c_char_p

    def _note(what, options=None):
        seen = _c.getenv(b"NVIDIA_TF32_OVERRIDE")
        with open(os.environ["NOTES"], "a") as notes:
            notes.write(json.dumps([what, seen and seen.decode(), options]) + "\\n")

    _note("import")
    __version__ = "1.31.1"
    get_available_providers = lambda: ["CUDAExecutionProvider", "TensorrtExecutionProvider"]
    preload_dlls = lambda: _note("libraries")

    class SessionOptions:
        pass

    class InferenceSession:
        def __init__(self, model, options, providers, enable_fallback):
            self.provider, given = providers[0]
            _note("session", given)

        def get_providers(self):
            return [self.provider]
"""


@pytest.mark.parametrize("asked", [None, "1"])
@pytest.mark.parametrize("device", PLAIN)
def test_tf32_is_off_before_the_runtime_is_imported(tmp_path, monkeypatch, device, asked):
    (tmp_path / "onnxruntime").mkdir()
    (tmp_path / "onnxruntime/__init__.py").write_text(textwrap.dedent(RUNTIME))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE", raising=False)
    if asked is not None:
        monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", asked)
    with EngineProcess("onnxruntime") as process:
        process.check("fp32", device)
    notes = [json.loads(line) for line in (tmp_path / "notes").read_text().splitlines()]
    assert [what for what, _, _ in notes] == ["import", "libraries", "session"]
    assert {seen for _, seen, _ in notes} == {"0"}
    options = notes[-1][2]
    assert options.get("use_tf32") == ("0" if device == "cuda" else None)
