"""The timing cache of a build, where TensorRT takes it and where it has none."""

from seatrial.artefacts import read_artefact, write_artefact
from seatrial.engines.tensorrt.timing_cache import attach, save


class Config:
    """As IBuilderConfig: `refused` contents give no cache, as damaged ones do; without `keeps` it has none."""

    def __init__(self, refused=(), keeps=True):
        self.refused, self.keeps, self.taken = refused, keeps, None

    def create_timing_cache(self, content):
        return None if content in self.refused else content

    def set_timing_cache(self, cache, ignore_mismatch):
        assert not ignore_mismatch
        self.taken = cache
        return True

    def get_timing_cache(self):
        return Cache() if self.keeps else None


class Cache:
    def serialize(self):
        return memoryview(b"measured")


def test_what_was_measured_is_kept_and_given_to_the_next_build(tmp_path):
    path = tmp_path / "a.timing"
    config = Config()
    attach(config, path)
    assert config.taken == b""
    save(config, path)
    attach(config, path)
    assert config.taken == b"measured"


def test_a_cache_that_tensorrt_does_not_take_is_an_empty_one(tmp_path):
    path = tmp_path / "a.timing"
    write_artefact(path, b"of another version")
    config = Config(refused=(b"of another version",))
    attach(config, path)
    assert config.taken == b""


def test_a_build_goes_on_where_there_is_none_at_all(tmp_path):
    path = tmp_path / "a.timing"
    config = Config(refused=(b"",), keeps=False)
    attach(config, path)
    save(config, path)
    assert config.taken is None
    assert read_artefact(path) is None
