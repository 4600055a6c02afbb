"""Images made on a surrogate, as they are stored: rounded to 8 bits, checked, and answered by the surrogate itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from seatrial.errors import DeviceError
from seatrial.harness.attacks import (  # noqa: F401  (they register themselves)
    apgd,
    autoattack,
    diva,
    fab,
    fgsm,
    momentum,
    pgd,
    scaled,
)
from seatrial.harness.attacks.chunks import CleanChunk, MakeChunk, with_distance
from seatrial.harness.attacks.draws import Draws
from seatrial.harness.attacks.eightbit import to_pixels
from seatrial.harness.attacks.ids import AttackId
from seatrial.harness.attacks.losses import cross_entropy
from seatrial.harness.attacks.problem import GRADIENT_ATTACKS, Problem
from seatrial.harness.attacks.store import Chunk, Images
from seatrial.harness.attacks.surrogate import Surrogate
from seatrial.harness.attacks.within import check_in_ball
from seatrial.harness.data.source import Pixels
from seatrial.harness.spec.attacks import AttackOptions


def on_surrogate(
    attack: AttackId,
    surrogate: Callable[[], Surrogate],
    source: Callable[[], Surrogate],
    options: AttackOptions,
    seed: int,
) -> MakeChunk:
    """What makes a chunk of `attack`'s images. surrogate, source: built when the first chunk needs them.

    Random starts depend on seed, image, attack and eps, not on the surrogate: results on several are paired.
    """
    drawn = str(dataclasses.replace(attack, surrogate=None))

    def made(part: CleanChunk) -> Chunk:
        model = surrogate()
        _prepare(model.device)
        labels = torch.from_numpy(part.labels).to(model.device)
        clean = _tensor(part.pixels, model.device)
        logits, _, gradient = model.gradient(clean, lambda z: cross_entropy(z, labels))
        problem = Problem(
            model,
            clean,
            labels,
            attack.radius,
            Draws(seed, part.ids, drawn),
            source=source() if attack.kind.pair else None,
            restarts=options.restarts,
        )
        adversarial = (attack.kind.function or GRADIENT_ATTACKS[attack.name])(problem)
        images = _as_stored(adversarial.permute(0, 2, 3, 1).cpu().numpy(), part.pixels, attack)
        answers = model.logits(_tensor(images, model.device))
        return with_distance(
            images,
            part.pixels,
            attack.kind.norm,
            clean_correct=(logits.argmax(1) == labels).cpu().numpy(),
            correct=(answers.argmax(1) == labels).cpu().numpy(),
            zero_gradient=(gradient.flatten(1).abs().amax(1) == 0).cpu().numpy(),
            queries=np.zeros(len(images), np.int32),
        )

    return made


def _as_stored(adversarial: Any, clean: Pixels, attack: AttackId) -> Images:
    if not np.isfinite(adversarial).all():
        raise DeviceError(f"{attack} made values that are no numbers: the surrogate's gradients overflow.")
    norm = attack.kind.norm
    if attack.eight_bit:
        images: Images = to_pixels(np.ascontiguousarray(adversarial), clean, norm, attack.radius)
    else:
        images = np.clip(adversarial * np.float32(255), 0, 255)
    try:
        check_in_ball(images, clean, attack)
    except ValueError as error:
        raise DeviceError(f"{attack} left its ball: {error}.") from error
    return images


def _tensor(images: Images, device: Any) -> Any:
    """[N, H, W, 3] in levels of 0 to 255 -> float32 [N, 3, H, W] in [0, 1], channels last in memory."""
    tensor = torch.from_numpy(np.ascontiguousarray(images)).to(device)
    return (tensor.to(torch.float32) / 255).permute(0, 3, 1, 2)


def _prepare(device: Any) -> None:
    """One thread for each chunk, which makes results independent of the number of workers; float32 is float32."""
    if device.type == "cpu":
        if torch.get_num_threads() != 1:
            torch.set_num_threads(1)
        return
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
