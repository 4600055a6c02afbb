"""NVML's readings and energy on a GPU, through the bindings that are installed."""

import time

import pytest

from seatrial.engines.machine import device_peak_bytes, meters, read_meters, reading
from seatrial.engines.machine.nvml import open_nvml
from seatrial.engines.machine.shape import as_reading

pytestmark = pytest.mark.gpu
torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def nvml():
    found = open_nvml()
    if found is None or not torch.cuda.is_available():
        pytest.skip("no GPU through NVML and PyTorch")
    return found


def work(seconds):
    """Keeps the GPU busy with matrix products."""
    one = torch.randn(4096, 4096, device="cuda", dtype=torch.float16)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for _ in range(20):
            one = (one @ one).clamp(-1, 1)
        torch.cuda.synchronize()


def test_a_reading_tells_of_the_gpu_what_can_be_so(nvml):
    work(1.0)
    found = reading()
    assert as_reading(found) == found
    gpu = found["gpus"][0]
    assert gpu["name"]
    assert 100 <= gpu["mhz"] <= gpu["mhz_max"] * 1.01 < 10000
    assert 100 <= gpu["memory_mhz"] < 50000
    assert 15 <= gpu["celsius"] <= 110
    assert 1 <= gpu["watts"] <= 1.2 * gpu["power_limit_watts"]
    assert 0 < gpu["memory_used_bytes"] < 1 << 40
    assert isinstance(gpu["throttle"], list)


def test_the_power_limit_or_heat_alone_hold_a_busy_gpu_down(nvml):
    work(2.0)
    said = nvml.readings()[0]["throttle"]
    assert all("do not know" not in reason for reason in said), "a bit that has no words here"


def test_work_costs_energy_and_more_than_idling(nvml):
    found = [meter for meter in meters() if meter.name.startswith("GPU")]
    assert found
    torch.cuda.synchronize()
    time.sleep(2)
    spent = []
    for what in (time.sleep, work):
        before, begin = read_meters(found), time.monotonic()
        what(3.0)
        after, seconds = read_meters(found), time.monotonic() - begin
        spent.append(sum(after[name] - before[name] for name in after) / seconds)
    idle, busy = spent
    assert 1 < idle < busy < 3000
    limit = sum(one["power_limit_watts"] or 0 for one in nvml.readings())
    assert busy < 1.2 * limit
    for meter in found:
        meter.close()


def test_memory_that_this_process_takes_shows_and_its_peak_stays(nvml):
    before = device_peak_bytes()
    held = torch.empty(1 << 30, dtype=torch.uint8, device="cuda")
    torch.cuda.synchronize()
    peak = device_peak_bytes()
    if peak is None:
        pytest.skip("NVML does not tell this process's memory here: its number is another outside the container")
    assert peak >= (before or 0)
    assert peak >= held.nbytes
    del held
    torch.cuda.empty_cache()
    assert device_peak_bytes() >= peak
