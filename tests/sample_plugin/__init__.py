"""A package that adds one part of each sort, and a broken one, as they lie in an environment once installed."""

from __future__ import annotations

import shutil
from pathlib import Path

_SOURCE = Path(__file__).parent / "seatrial_sample"
_PARTS = """\
[seatrial.engines]
sample-engine = seatrial_sample.engine:SampleEngine

[seatrial.corruptions]
sample_darkness = seatrial_sample.corruption:DARKNESS

[seatrial.attacks]
sample-linf = seatrial_sample.attack:SAMPLE

[seatrial.data_sources]
sample = seatrial_sample.source:open_sample

[seatrial.kinds]
sample-kind = seatrial_sample.kind:Mirrored

[seatrial.checks]
sample-size = seatrial_sample.check:enough_images
"""
_BROKEN = """\
[seatrial.engines]
missing = seatrial_broken_nowhere:Engine
exits = seatrial_broken:EXITS
no-engine = seatrial_broken.parts:NOT_AN_ENGINE
openvino = seatrial_sample.engine:SampleEngine

[seatrial.corruptions]
fog = seatrial_broken.parts:FOG
sample_twice = seatrial_broken.parts:FOG

[seatrial.attacks]
raises-linf = seatrial_broken.raises:ATTACK

[seatrial.checks]
sample-raises = seatrial_broken.parts:raising_check
"""


def install_sample(folder: Path) -> None:
    """The working package, `seatrial-sample 1.2`."""
    shutil.copytree(_SOURCE, folder / _SOURCE.name, ignore=shutil.ignore_patterns("__pycache__"))
    declare(folder, "seatrial-sample", "1.2", _PARTS)


def install_broken(folder: Path) -> None:
    """`seatrial-broken 0.1`, of which a check alone is usable, and raises. `seatrial-rival 3` repeats a name."""
    package = folder / "seatrial_broken"
    package.mkdir()
    (package / "__init__.py").write_text("def __getattr__(name):\n    import sys\n\n    sys.exit('no licence')\n")
    (package / "raises.py").write_text("raise RuntimeError('line one\\nline two')\n")
    (package / "parts.py").write_text(
        "from seatrial.harness.conditions.corruptions import Corruption\n"
        "NOT_AN_ENGINE = 3\n"
        "FOG = Corruption('fog', 'noise', lambda image, c, rng: image, {s: (1, 2, 3, 4, 5) for s in (224, 64, 32)})\n"
        "def raising_check(summary):\n"
        "    return summary['no such key']\n"
    )
    declare(folder, "seatrial-broken", "0.1", _BROKEN)
    declare(folder, "seatrial-rival", "3", "[seatrial.corruptions]\nsample_twice = seatrial_broken.parts:FOG\n")


def declare(folder: Path, name: str, version: str, entry_points: str) -> None:
    """The metadata of an installed package, as pip writes them."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(entry_points)
