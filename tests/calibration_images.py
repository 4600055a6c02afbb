"""Calibration images for tests that need no files."""

import numpy as np


class ArrayImages:
    """uint8 [N, H, W, 3] as calibration images; `largest` is the largest batch that was taken, 0 before any."""

    def __init__(self, images, digest="test"):
        self.images, self.digest, self.largest = images, digest, 0

    def __len__(self):
        return len(self.images)

    def batches(self, size):
        for start in range(0, len(self.images), size):
            part = self.images[start : start + size]
            self.largest = max(self.largest, len(part))
            yield part


class RandomImages(ArrayImages):
    """16 x 16 px of noise from a seed."""

    def __init__(self, seed=0, count=20):
        noise = np.random.default_rng(seed).integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)
        super().__init__(noise, f"{seed} {count}")
