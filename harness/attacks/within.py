"""Whether adversarial images, as they are stored, lie where their attack may have gone."""

from __future__ import annotations

import numpy as np

from seatrial.harness.attacks.eightbit import check_within, distances
from seatrial.harness.attacks.ids import AttackId
from seatrial.harness.attacks.store import Images
from seatrial.harness.data.source import Pixels

# Of an image that stays float: rounding of float32 arithmetic on values up to 255.
_FLOAT_SLACK = 1e-3


def check_in_ball(images: Images, clean: Pixels, attack: AttackId) -> None:
    """ValueError where one of the images [N, H, W, 3] is none of that attack on its clean one: of another type, with
    values outside 0 to 255, or too far away.
    """
    norm = attack.kind.norm
    if attack.eight_bit or images.dtype == np.uint8:
        check_within(images, clean, norm, attack.radius)
        return
    if images.dtype.kind != "f" or images.shape != clean.shape:
        raise ValueError(f"expected floats of the clean images' shape, got {images.dtype} {list(images.shape)}")
    if not ((images >= 0) & (images <= 255)).all():  # NaN is neither
        raise ValueError("it has values that are no pixels")
    farthest = float(distances(images, clean, norm).max())
    if farthest > attack.eps + _FLOAT_SLACK:
        raise ValueError(f"an image lies {farthest:g} from its clean one, outside {norm} {attack.eps:g}")
