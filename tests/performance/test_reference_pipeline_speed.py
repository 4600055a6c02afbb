"""From files to tensors: this pipeline against PyTorch's DataLoader with Pillow, the same number of workers."""

import os
import time

import numpy as np
import pytest
import torch
from PIL import Image

from seatrial.exporters.presets import PRESETS
from seatrial.harness.data import labeller, open_source, select
from seatrial.harness.pipeline import ordered_map, spool

pytestmark = pytest.mark.performance

CONTRACT = PRESETS["imagenet"]  # short side 256, crop 224, mean and std
BATCH, REPEATS, ROUNDS = 32, 3, 5
WORKERS = max(2, os.cpu_count() or 2)


@pytest.fixture(scope="module")
def selection(shared):
    classes = len(list((shared / "data/imagenet/val").iterdir()))
    source = open_source(shared / "data/imagenet/val", classes, labeller(classes))
    return select(source, seed=0, limit=None)


class Photographs(torch.utils.data.Dataset):
    """What torchvision's evaluation transform does, with the calls that it makes."""

    def __init__(self, paths):
        self.paths = paths
        self.mean = torch.tensor(CONTRACT.mean).view(3, 1, 1)
        self.std = torch.tensor(CONTRACT.std).view(3, 1, 1)

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        with self.paths[index].open("rb") as file:
            image = Image.open(file).convert("RGB")
        short, long = sorted(image.size)
        long = int(256 * long / short)
        size = (256, long) if image.width <= image.height else (long, 256)
        image = image.resize(size, Image.Resampling.BILINEAR)
        left, top = round((image.width - 224) / 2), round((image.height - 224) / 2)
        image = image.crop((left, top, left + 224, top + 224))
        tensor = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
        return tensor.to(torch.float32).div_(255).sub_(self.mean).div_(self.std)


def test_the_reference_pipeline_is_no_slower_than_a_dataloader(selection, tmp_path):
    names = list(selection.ids) * REPEATS
    paths = [selection.source.root / name for name in names]
    loader = torch.utils.data.DataLoader(
        Photographs(paths), batch_size=BATCH, num_workers=WORKERS, persistent_workers=True
    )

    repeated = type(selection)(selection.source, selection.indices * REPEATS)

    def ours():
        begin = time.perf_counter()
        with spool(repeated, CONTRACT, folder=tmp_path, workers=WORKERS) as store:
            batches = ordered_map(CONTRACT.normalise, store.batches(BATCH), workers=WORKERS)
            tensors = [batch[0].copy() for batch in batches]
        return time.perf_counter() - begin, tensors

    def theirs():
        begin = time.perf_counter()
        tensors = [batch[0].numpy().copy() for batch in loader]
        return time.perf_counter() - begin, tensors

    _, expected = theirs()  # starts their processes; ours has none
    _, found = ours()
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    times = [(ours()[0], theirs()[0]) for _ in range(ROUNDS)]
    mine, others = (min(column) for column in zip(*times, strict=True))  # what else runs only adds
    count = len(paths)
    print(
        f"\n{count / mine:.0f} images/s against {count / others:.0f} of a DataLoader, {WORKERS} workers each: "
        f"{others / mine:.2f} times as fast"
    )
    assert others / mine >= 1.0
