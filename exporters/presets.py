"""Named input contracts, for models that do not carry one."""

from __future__ import annotations

from seatrial.exporters.contract import InputContract

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
_HALF = (0.5, 0.5, 0.5)

PRESETS: dict[str, InputContract] = {
    # torchvision's reference evaluation: Resize(256), CenterCrop(224), ToTensor, Normalize.
    "imagenet": InputContract((224, 224), "short-side", 256, mean=_IMAGENET_MEAN, std=_IMAGENET_STD),
    # The same geometry with inputs in [-1, 1], as TensorFlow's Inception and MobileNet families were trained.
    "imagenet-inception": InputContract((224, 224), "short-side", 256, mean=_HALF, std=_HALF),
    # The common PyTorch CIFAR-10 ResNets (akamaster/pytorch_resnet_cifar10) normalise with ImageNet's statistics.
    "cifar10": InputContract((32, 32), mean=_IMAGENET_MEAN, std=_IMAGENET_STD),
    # CIFAR-10's own statistics, as many other training scripts use them.
    "cifar10-own-stats": InputContract((32, 32), mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616)),
    # Digits and their like, one channel: the Normalize of pytorch/examples.
    "mnist": InputContract((28, 28), color="gray", mean=(0.1307,), std=(0.3081,)),
}
