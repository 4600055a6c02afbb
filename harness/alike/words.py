"""What is said of a model that does not answer alike."""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.harness.alike.answers import ASKED_AGAIN, Answers

_NAMED = 4
_EVAL = "Export it for inference (PyTorch: model.eval(), no training=...)"
_UNKNOWN = "no operator of the graph is known to do it"


def random(answers: Answers, nodes: Sequence[str], mixing: Sequence[str]) -> str:
    """Of a model that answers another time otherwise."""
    also = f" Beside that, images of a batch may change each other's answers: {_listed(mixing)}." if mixing else ""
    return (
        f"The model answers otherwise each time it is asked ({answers.again}): "
        f"{_listed(nodes or stateful(mixing))}. No figure of it can be trusted.{also} {_EVAL}."
    )


def stateful(mixing: Sequence[str]) -> list[str]:
    """Of operators that mix a batch, those that may change the next answer, too."""
    # Runtimes may let running statistics overwrite what they are computed from.
    return [node for node in mixing if node.startswith("BatchNormalization ")]


def not_asked(nodes: Sequence[str]) -> str:
    """Of a model that could not be asked here, with operators that draw."""
    return f"The graph draws random numbers: {_listed(nodes)}. It could not be asked here. {_EVAL}."


def unseen(nodes: Sequence[str]) -> str:
    """Of a model that draws without any answer changing."""
    return (
        f"The graph draws random numbers ({_listed(nodes)}), but asked {ASKED_AGAIN} times it answered the same: they "
        "do not reach its answers, or seldom."
    )


def mixing(answers: Answers, nodes: Sequence[str]) -> str:
    """Of a model that is run one image at a time."""
    return (
        f"The answer to an image hangs on the others of its batch ({answers.mixed}): {_listed(nodes)}. Every figure is "
        "of one image at a time, batch 1, as a device would ask; in batches this model answers otherwise."
    )


def mixing_held(answers: Answers, nodes: Sequence[str], batch: int) -> str:
    """Of a model that is frozen at a batch of several images."""
    return (
        f"The answer to an image hangs on the others of its batch ({answers.mixed}): {_listed(nodes)}. The graph is "
        f"frozen at batch {batch}, so that no answer is that of an image alone. Export it again with a free "
        "batch, or with batch 1, from what it was made of."
    )


def target_changes(answers: Answers, nodes: Sequence[str]) -> str:
    """Of a built engine that answers another time otherwise."""
    return f"answers otherwise each time it is asked ({answers.again}): {_listed(nodes)}"


def target_mixes(answers: Answers, nodes: Sequence[str]) -> str:
    """Of a built engine whose answers hang on the batch."""
    return f"the answer to an image hangs on the others of its batch ({answers.mixed}): {_listed(nodes)}"


def target_spoils(answers: Answers) -> str:
    """Of a built engine that fails at a size of batch."""
    found = answers.filled
    assert found is not None
    return (
        f"{found.asked} images at once get other answers than a few ({found}), most at place {found.place} of the "
        "batch: a fault of the runtime; take another version of it, or another --batch-size"
    )


def same(batch: int | None) -> str:
    """Of one that answers alike."""
    if batch == 1:
        return "asked again, one image at a time, it answers the same"
    return "asked again, beside other images, in another order, alone and in full batches, it answers the same"


def _listed(nodes: Sequence[str]) -> str:
    if not nodes:
        return _UNKNOWN
    rest = len(nodes) - _NAMED
    return ", ".join(nodes[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
