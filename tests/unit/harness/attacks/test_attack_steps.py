"""Iterated attacks take the steps of their papers: against loops written out with autograd on a small network."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402, N812

from seatrial.harness.attacks import diva, fgsm, momentum, pgd, scaled  # noqa: E402, F401
from seatrial.harness.attacks.balls import distance, random_start  # noqa: E402
from seatrial.harness.attacks.draws import Draws  # noqa: E402
from seatrial.harness.attacks.ids import ATTACKS  # noqa: E402
from seatrial.harness.attacks.pgd import restarted  # noqa: E402
from seatrial.harness.attacks.problem import GRADIENT_ATTACKS, Problem  # noqa: E402

RADII = {"linf": 0.06, "l2": 0.8, "l1": 4.0}
NAMES = (
    "fgsm-linf",
    "pgd-linf",
    "pgd-l2",
    "pgd-l1",
    "pgd-dense-l1",
    "mi-fgsm-linf",
    "mim-linf",
    "di-mi-fgsm-linf",
    "diva-linf",
    "pgd-scaled-linf",
)


class Network:
    """A small smooth network in the surrogate's place; counts the images that gradients were taken at."""

    def __init__(self, seed=0, gain=1.0, function=None):
        torch.manual_seed(seed)
        self.first = torch.randn(8, 3, 3, 3) * 0.4
        self.last = torch.randn(5, 8) * 4
        self.gain, self.seen, self.function = gain, [], function
        self.device = torch.device("cpu")

    def __call__(self, images):
        if self.function is not None:
            return self.function(images)
        hidden = torch.tanh(F.conv2d(images - 0.5, self.first, padding=1))
        return hidden.mean((2, 3)) @ self.last.T * self.gain

    def double(self):
        other = Network(gain=self.gain)
        other.first, other.last = self.first.double(), self.last.double()
        return other

    def logits(self, images):
        with torch.no_grad():
            return self(images)

    def gradient(self, images, loss):
        self.seen.append(len(images))
        variable = images.detach().clone().requires_grad_()
        logits = self(variable)
        values = loss(logits)
        (gradient,) = torch.autograd.grad(values.sum(), variable)
        return logits.detach(), values.detach(), gradient


def draws(count, name="a", start=0):
    return Draws(0, [str(index) for index in range(start, start + count)], name)


def problem(network=None, name="pgd-linf", count=6, start=0, **options):
    rng = np.random.default_rng(5)
    clean = torch.from_numpy(rng.uniform(0, 1, (12, 3, 12, 10)).astype(np.float32))[start : start + count]
    network = Network() if network is None else network
    labels = Network().logits(clean).argmax(1)
    options.setdefault("source", Network(seed=1))
    radius = options.pop("radius", RADII[ATTACKS[name].norm])
    return Problem(network, clean, labels, radius, draws(count, start=start), **options)


def derivative(value, variable):
    return torch.autograd.grad(value.sum(), variable)[0]


def ascent(network, labels, start, steps, step, back, temperature=1.0):
    """images <- back(images + step(gradient, images)), with autograd and out of place."""
    images = start
    for _ in range(steps):
        variable = images.clone().requires_grad_()
        loss = F.cross_entropy(network(variable) / temperature, labels, reduction="none")
        gradient = derivative(loss, variable)
        images = back(images + step(gradient, images))
    return images


def into_box(clean, radius):
    return lambda images: torch.clamp(clean + torch.clamp(images - clean, -radius, radius), 0, 1)


def test_fgsm_is_one_step_of_the_whole_radius():
    asked = problem(name="fgsm-linf")
    clean, radius = asked.images, asked.radius
    expected = ascent(asked.surrogate, asked.labels, clean, 1, lambda g, x: radius * g.sign(), into_box(clean, radius))
    torch.testing.assert_close(GRADIENT_ATTACKS["fgsm-linf"](asked), expected)


def test_pgd_takes_twenty_sign_steps_from_a_random_start():
    asked = problem()
    clean, radius = asked.images, asked.radius
    start = random_start(clean, radius, "linf", draws(6))
    expected = ascent(
        asked.surrogate, asked.labels, start, 20, lambda g, x: 0.075 * radius * g.sign(), into_box(clean, radius)
    )
    torch.testing.assert_close(GRADIENT_ATTACKS["pgd-linf"](asked), expected)


def test_pgd_in_l2_follows_the_gradient_and_scales_back():
    asked = problem(name="pgd-l2")
    clean, radius = asked.images, asked.radius
    start = random_start(clean, radius, "l2", draws(6))

    def back(images):
        change = images - clean
        sizes = change.flatten(1).norm(dim=1)[:, None, None, None]
        return (clean + change * (radius / sizes).clamp_max(1)).clamp(0, 1)

    def step(gradient, images):
        return 0.075 * radius * gradient / gradient.flatten(1).norm(dim=1)[:, None, None, None]

    expected = ascent(asked.surrogate, asked.labels, start, 20, step, back)
    torch.testing.assert_close(GRADIENT_ATTACKS["pgd-l2"](asked), expected, rtol=1e-4, atol=1e-5)


def test_pgd_in_l1_changes_few_pixels_and_climbs_higher_than_dense_steps():
    asked = problem(name="pgd-l1", network=Network(), radius=1.0)
    clean = asked.images
    start = random_start(clean, 1.0, "l1", draws(6))

    def dense(gradient, images):
        return 0.2 * gradient / gradient.abs().sum((1, 2, 3), keepdim=True)

    def back(images):
        change = images - clean
        sizes = change.abs().sum((1, 2, 3), keepdim=True)
        return (clean + change * (1 / sizes).clamp_max(1)).clamp(0, 1)

    other = ascent(asked.surrogate, asked.labels, start, 20, dense, back)
    found = GRADIENT_ATTACKS["pgd-l1"](asked)
    losses = [F.cross_entropy(asked.surrogate(each), asked.labels, reduction="none") for each in (found, other)]
    assert bool((losses[0] > losses[1]).all())
    changed = (found - clean).abs().flatten(1) > 1e-4
    assert float(changed.float().mean()) < 0.3
    assert asked.surrogate.seen == [6] * 20


def test_dense_pgd_in_l1_takes_robustarts_steps_by_the_size_of_the_image_along_the_whole_gradient():
    share = 3 * 12 * 10 / (3 * 224 * 224)
    asked = problem(name="pgd-dense-l1", radius=400 * share)
    clean = asked.images
    start = random_start(clean, 400 * share, "l1", draws(6))

    def step(gradient, images):
        return 120 * share * gradient / gradient.abs().sum((1, 2, 3), keepdim=True)

    def back(images):
        change = images.clamp(0, 1) - clean
        return clean + change * (400 * share / change.abs().sum((1, 2, 3), keepdim=True)).clamp_max(1)

    expected = ascent(asked.surrogate, asked.labels, start, 20, step, back)
    torch.testing.assert_close(GRADIENT_ATTACKS["pgd-dense-l1"](asked), expected, rtol=1e-4, atol=1e-5)


def reference_momentum(network, clean, labels, radius, seen, size=None):
    low_high, images, momentum_ = into_box(clean, radius), clean, torch.zeros_like(clean)
    for place in range(20):
        variable = images.clone().requires_grad_()
        logits = network(seen(variable, place))
        gradient = derivative(F.cross_entropy(logits, labels, reduction="none"), variable)
        momentum_ = 1.0 * momentum_ + gradient / gradient.abs().sum((1, 2, 3), keepdim=True)
        images = low_high(images + (size or 0.25 * radius) * momentum_.sign())
    return images


def test_momentum_sums_scaled_gradients():
    asked = problem(name="mi-fgsm-linf")
    expected = reference_momentum(asked.surrogate, asked.images, asked.labels, asked.radius, lambda x, place: x)
    torch.testing.assert_close(GRADIENT_ATTACKS["mi-fgsm-linf"](asked), expected)


def test_mim_takes_robustarts_steps_at_every_radius():
    asked = problem(name="mim-linf")
    expected = reference_momentum(
        asked.surrogate, asked.images, asked.labels, asked.radius, lambda x, place: x, size=0.002
    )
    torch.testing.assert_close(GRADIENT_ATTACKS["mim-linf"](asked), expected)


def test_diversity_shows_each_image_resized_and_takes_gradients_back():
    asked = problem(name="di-mi-fgsm-linf")
    drawn = draws(6)
    numbers = [drawn.uniform(0, 1, (4,)) for _ in range(20)]
    resized = []

    def seen(images, place):
        shown = []
        for image, (apply, size, top, left) in zip(images, numbers[place], strict=True):
            if apply >= 0.5:
                shown.append(image)
                continue
            height, width = int(10 + size * 2), int(9 + size * 1)
            resized.append((height, width))
            small = F.interpolate(image[None], (height, width), mode="bilinear", align_corners=False)[0]
            above, before = int(top * (12 - height + 1)), int(left * (10 - width + 1))
            shown.append(F.pad(small, (before, 10 - width - before, above, 12 - height - above)))
        return torch.stack(shown)

    expected = reference_momentum(asked.surrogate, asked.images, asked.labels, asked.radius, seen)
    found = GRADIENT_ATTACKS["di-mi-fgsm-linf"](asked)
    assert 30 < len(resized) < 90  # of 120, with probability one half
    assert set(resized) == {(10, 9), (11, 9)}
    differing = ((found - expected).abs() > 1e-5).float().mean()
    assert float(differing) < 0.01  # signs of gradients that nearly vanish


def reference_diva(asked, source, surrogate):
    """In the type of the networks."""
    clean = asked.images.to(surrogate.first.dtype)
    back, images, chosen = into_box(clean, asked.radius), clean, (torch.arange(len(clean)), asked.labels)
    for _ in range(20):
        variable = images.clone().requires_grad_()
        kept, lost = (net(variable).softmax(1)[chosen] for net in (source, surrogate))
        images = back(images + asked.radius / 8 * derivative(kept - lost, variable).sign())
    return images.float()


def test_diva_climbs_the_difference_of_probabilities():
    asked = problem(name="diva-linf")
    expected = reference_diva(asked, asked.source, asked.surrogate)
    torch.testing.assert_close(GRADIENT_ATTACKS["diva-linf"](asked), expected)


def test_diva_without_the_source_is_refused():
    with pytest.raises(ValueError, match="source"):
        GRADIENT_ATTACKS["diva-linf"](problem(name="diva-linf", source=None))


def test_diva_leaves_images_of_which_both_networks_are_sure():
    sure, blind = Network(gain=60.0), Network(seed=1, gain=0.0)
    asked = problem(sure, name="diva-linf", source=blind, radius=0.01)
    assert bool((sure.logits(asked.images).softmax(1).amax(1) == 1).any())
    found = GRADIENT_ATTACKS["diva-linf"](asked)
    assert bool((distance(found - asked.images, "linf") > 0.005).all())
    exact = reference_diva(asked, blind.double(), sure.double())
    assert float(((found - exact).abs() > 1e-5).float().mean()) < 0.01


def test_scaled_logits_find_a_way_where_softmax_is_saturated():
    masked = problem(Network(gain=3000.0), name="pgd-scaled-linf", radius=0.2)
    plain, found = (GRADIENT_ATTACKS[name](masked) for name in ("pgd-linf", "pgd-scaled-linf"))
    right = [masked.surrogate.logits(each).argmax(1) == masked.labels for each in (plain, found)]
    assert int(right[1].sum()) < int(right[0].sum())


def brightness(images):
    """Two logits: right (class 0) below a mean of 0.5."""
    mean = images.mean((1, 2, 3))
    return torch.stack([torch.full_like(mean, 0.5), mean], 1)


def test_scaled_pgd_is_pgd_at_both_temperatures():
    asked = problem(name="pgd-scaled-linf", radius=0.01, count=12)
    clean, radius, labels, network = asked.images, asked.radius, asked.labels, asked.surrogate
    drawn, ends = draws(12), []
    for temperature in (10.0, 0.1):
        start = random_start(clean, radius, "linf", drawn)
        ends.append(
            ascent(
                network, labels, start, 20, lambda g, x: 0.075 * radius * g.sign(), into_box(clean, radius), temperature
            )
        )
    found = GRADIENT_ATTACKS["pgd-scaled-linf"](asked)
    near = torch.stack([(found - end).abs().flatten(1).amax(1) < 1e-5 for end in ends])
    assert bool(near.any(0).all())
    assert bool(near.any(1).all())  # both are taken from


def test_the_first_start_that_fools_is_kept_else_the_largest_loss():
    # The means that the scripted attack reaches: per restart, for the images it is given.
    reached = [[0.6, 0.1, 0.3], [0.4, 0.2], [0.7, 0.3], [0.45]]
    wanted = [0.6, 0.7, 0.45]
    given = []

    def attack(part):
        given.append(part.images[:, 0, 0, 0].tolist())
        return torch.tensor(reached[len(given) - 1])[:, None, None, None].expand(part.images.shape).clone()

    clean = torch.tensor([0.01, 0.02, 0.03])[:, None, None, None].expand(3, 3, 2, 2).clone()
    network = Network(function=brightness)
    asked = Problem(network, clean, torch.zeros(3, dtype=torch.int64), 1.0, draws(3), restarts=4)
    found = restarted(asked, attack, lambda logits, labels: logits[:, 1])
    np.testing.assert_allclose(found[:, 0, 0, 0], wanted)
    np.testing.assert_allclose([len(each) for each in given], [3, 2, 2, 1])
    np.testing.assert_allclose(given[3], [0.03])


def test_a_start_that_fools_is_better_than_one_of_larger_loss():
    reached = iter((0.2, 0.8))

    def attack(part):
        return torch.full_like(part.images, next(reached))

    asked = Problem(
        Network(function=brightness),
        torch.zeros(1, 3, 2, 2),
        torch.zeros(1, dtype=torch.int64),
        1.0,
        draws(1),
        restarts=2,
    )
    found = restarted(asked, attack, lambda logits, labels: -logits[:, 1])
    np.testing.assert_allclose(found[0, 0, 0, 0], 0.8)


def test_restarts_end_when_all_images_are_fooled():
    asked = problem(radius=0.9, restarts=50)
    network = asked.surrogate
    found = GRADIENT_ATTACKS["pgd-linf"](asked)
    assert bool((network.logits(found).argmax(1) != asked.labels).all())
    assert len(network.seen) < 50 * 20


def test_scaled_pgd_keeps_the_first_that_fools_else_the_larger_margin(monkeypatch):
    reached = iter(([0.6, 0.1, 0.3], [0.7, 0.8, 0.2]))

    def attack(part, loss, norm):
        return torch.tensor(next(reached))[:, None, None, None].expand(part.images.shape).clone()

    monkeypatch.setattr(scaled, "ascend", attack)
    asked = Problem(
        Network(function=brightness), torch.zeros(3, 3, 2, 2), torch.zeros(3, dtype=torch.int64), 1.0, draws(3)
    )
    found = GRADIENT_ATTACKS["pgd-scaled-linf"](asked)
    np.testing.assert_allclose(found[:, 0, 0, 0], [0.6, 0.8, 0.3])


@pytest.mark.parametrize("name", NAMES)
def test_results_lie_in_the_ball_and_clean_images_stay_as_they_are(name):
    asked = problem(name=name, restarts=2)
    before = asked.images.clone()
    found = GRADIENT_ATTACKS[name](asked)
    assert torch.equal(asked.images, before)
    assert found.dtype == torch.float32
    assert not found.requires_grad
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1
    far = distance(found - before, ATTACKS[name].norm)
    assert bool((far <= asked.radius * (1 + 1e-5)).all())
    assert bool((far >= asked.radius * 0.2).all())


@pytest.mark.parametrize("name", NAMES)
def test_an_images_result_does_not_depend_on_its_batch(name):
    whole = GRADIENT_ATTACKS[name](problem(name=name))
    part = GRADIENT_ATTACKS[name](problem(name=name, count=2, start=3))
    torch.testing.assert_close(part, whole[3:5], rtol=1e-4, atol=1e-5)


def test_steps_do_not_change_images_that_are_channels_last_in_another_way():
    asked = problem()
    images = asked.images.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    other = Problem(asked.surrogate, images, asked.labels, asked.radius, draws(6))
    torch.testing.assert_close(GRADIENT_ATTACKS["pgd-linf"](other), GRADIENT_ATTACKS["pgd-linf"](asked))
