"""Black-box attacks on ONNX Runtime find what the peers' find on the original network, at the same number of queries.

Ours ask about 8-bit images alone, the peers' about floats. Two runs of one attack with other random numbers differ by
some images, too. Among the images on which two runs disagree each is as likely to win if the attacks are equally good,
so the difference of the counts has a standard deviation of the root of their sum. The rule: no more than one point
worse than the peer, and two of these standard deviations.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnxruntime = pytest.importorskip("onnxruntime")

from parity.peer_attacks import MEAN, STD, cifar10, original, peer, right  # noqa: E402

from seatrial.harness.attacks import hopskipjump, square  # noqa: E402, F401
from seatrial.harness.attacks.draws import Draws  # noqa: E402
from seatrial.harness.attacks.search import BLACK_BOX_ATTACKS, Search  # noqa: E402

POINT = 0.01
SQUARE = pytest.mark.parametrize(("name", "levels"), [("square-linf", 2.0), ("square-linf", 8.0), ("square-l2", 127.5)])


class Engine:
    """ResNet-20 through ONNX Runtime."""

    def __init__(self, shared):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            str(shared / "models/cifar10_resnet20.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self.name = self.session.get_inputs()[0].name

    def __call__(self, images):
        assert images.dtype == np.uint8
        values = (images.astype(np.float32) / 255 - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
        return self.session.run(None, {self.name: np.ascontiguousarray(values.transpose(0, 3, 1, 2))})[0]


class OutOfQueriesError(Exception):
    """The peer has asked as often as it may."""


class Watched(torch.nn.Module):
    """A network that is asked about one image, and keeps how far the nearest misclassified query lay after each of some
    numbers of queries.
    """

    def __init__(self, network, image, label, budgets):
        super().__init__()
        self.network, self.image, self.label = network, image, label
        self.asked, self.nearest = 0, dict.fromkeys(budgets, math.inf)

    def forward(self, images):
        assert len(images) == 1
        if self.asked == max(self.nearest):
            raise OutOfQueriesError
        self.asked += 1
        with torch.no_grad():
            scores = self.network(images)
        if scores.argmax(1) != self.label:
            far = float((images - self.image).norm())
            for budget, nearest in self.nearest.items():
                if self.asked <= budget:
                    self.nearest[budget] = min(nearest, far)
        return scores


def pixels_of(images):
    return np.rint(images.permute(0, 2, 3, 1).numpy() * 255).astype(np.uint8)


def assert_no_weaker(ours, peers):
    """bool [N]: whether each image withstood ours and the peer's."""
    worse, better = int((ours & ~peers).sum()), int((peers & ~ours).sum())
    allowed = POINT * len(ours) + 2 * math.sqrt(worse + better)
    assert worse - better <= allowed, f"{ours.mean():.3f} withstand ours, {peers.mean():.3f} the peer's"


def compare_square(shared, name, levels, count, budget):
    network = original(shared, "resnet20")
    images, labels = cifar10(shared, count)
    torch.manual_seed(0)
    attack = peer("torchattacks").Square(
        network, norm="Linf" if name == "square-linf" else "L2", eps=levels / 255, n_queries=budget - 2, seed=0
    )
    peers = right(network, attack(images.contiguous(), labels), labels).numpy()
    draws = Draws(0, [str(index) for index in range(count)], name)
    engine, truth = Engine(shared), labels.numpy()
    found = BLACK_BOX_ATTACKS[name](Search(engine, pixels_of(images), truth, levels, draws, budget))
    ours = engine(found.images).argmax(1) == truth
    print(
        f"{name}@{levels:g} levels, {count} images, {budget} queries: ours {ours.mean():.3f}, peer {peers.mean():.3f}"
    )
    assert_no_weaker(ours, peers)


def compare_hopskipjump(shared, count, budgets, radius=0.5):
    """The peer gets one image at a time: of a batch it asks about all until the slowest is done."""
    network = original(shared, "resnet20")
    images, labels = cifar10(shared, 2 * count)
    correct = right(network, images, labels)
    images, labels = images[correct][:count].contiguous(), labels[correct][:count]
    found = [foolbox_nearest(network, images[i : i + 1], labels[i : i + 1], budgets) for i in range(count)]
    engine, pixels = Engine(shared), pixels_of(images)
    for budget in budgets:
        ours = np.array([nearest_of(engine, pixels[i : i + 1], labels[i : i + 1], i, budget) for i in range(count)])
        peers = np.array([one[budget] for one in found])
        print(
            f"hopskipjump-l2, {count} x {budget} queries: median distance ours {np.median(ours):.3f}, peer "
            f"{np.median(peers):.3f}; beyond {radius}: ours {(ours > radius).mean():.3f}, peer "
            f"{(peers > radius).mean():.3f}; ours nearer for {(ours < peers).mean():.3f}"
        )
        assert_no_weaker(ours > radius, peers > radius)
        assert (ours < peers).sum() >= (ours > peers).sum() - POINT * count - 2 * math.sqrt(count)


def foolbox_nearest(network, image, label, budgets):
    """The peer's distance after each of these numbers of queries, in units of pixels in [0, 1]."""
    foolbox = peer("foolbox")
    watched = Watched(network, image, label, budgets).eval()
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002  (foolbox's own generator)
    model = foolbox.PyTorchModel(watched, bounds=(0, 1))
    with pytest.raises(OutOfQueriesError):
        foolbox.attacks.HopSkipJumpAttack().run(model, image, foolbox.criteria.Misclassification(label))
    return watched.nearest


def nearest_of(engine, clean, label, index, budget):
    """The distance of the nearest misclassified image that ours asks about, in units of pixels in [0, 1]."""
    nearest, asked = math.inf, 0

    def watched(images):
        nonlocal nearest, asked
        asked += len(images)
        scores = engine(images)
        wrong = images[scores.argmax(1) != label.numpy()[0]].astype(np.float64)
        if len(wrong):
            far = np.sqrt(((wrong - clean) ** 2).sum(axis=(1, 2, 3))).min() / 255
            nearest = min(nearest, float(far))
        return scores

    draws = Draws(0, [str(index)], "hopskipjump-l2")
    hopskipjump.hopskipjump_l2(Search(watched, clean, label.numpy(), 1.0, draws, budget))
    assert asked <= budget
    return nearest


@SQUARE
def test_square_is_no_weaker_than_torchattacks_on_a_few_images(shared, name, levels):
    compare_square(shared, name, levels, 30, 150)


def test_hopskipjump_comes_no_less_near_than_foolbox_on_a_few_images(shared):
    compare_hopskipjump(shared, 8, (300,))


@pytest.mark.parity
@SQUARE
def test_square_is_no_weaker_than_torchattacks(shared, name, levels):
    compare_square(shared, name, levels, 200, 1000)


@pytest.mark.parity
def test_hopskipjump_comes_no_less_near_than_foolbox(shared):
    compare_hopskipjump(shared, 40, (1000, 2000))
