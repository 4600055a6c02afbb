"""timm and torchvision as sources: the real libraries, without their downloads."""

import numpy as np
import onnxruntime
import pytest
import torch
import torchvision_without_cuda
from PIL import Image

from seatrial import exporters
from seatrial.errors import BadInputError, UsageError
from seatrial.exporters.contract import InputContract
from seatrial.exporters.sources import open_source
from seatrial.exporters.torch_sources import zoo
from seatrial.harness.data.source import Payload
from seatrial.harness.pipeline.reference import model_pixels


@pytest.fixture(scope="module")
def torchvision():
    torchvision_without_cuda.make_importable()
    import torchvision

    return torchvision


@pytest.fixture(scope="module")
def timm(torchvision):
    return pytest.importorskip("timm")


def photograph(width, height):
    coarse = np.random.default_rng(width).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def through(contract, image):
    return contract.normalise(model_pixels(Payload("image", np.asarray(image)), contract)[None])[0]


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "efficientnet_b3", "vit_b_32", "resnet50:IMAGENET1K_V2"])
def test_torchvisions_transforms_are_the_contract(torchvision, name):
    model, _, entry = name.partition(":")
    preset = torchvision.models.get_model_weights(model)[entry or "DEFAULT"].transforms()
    contract = zoo.torchvision_contract(preset)
    for size in ((500, 375), (375, 500), (281, 300), (230, 640)):
        image = photograph(*size)
        np.testing.assert_allclose(through(contract, image), preset(image).numpy(), atol=1e-6)


@pytest.mark.parametrize(
    "name", ["mobilenetv3_small_050", "resnet18", "tf_efficientnet_b0", "vit_tiny_patch16_224", "deit_tiny_patch16_224"]
)
def test_timms_evaluation_transform_is_the_contract(timm, name):
    model = timm.create_model(name, pretrained=False)
    config = timm.data.resolve_data_config({}, model=model, use_test_size=True)
    transform = timm.data.create_transform(**config, is_training=False)
    contract = zoo.timm_contract(config)
    assert contract is not None
    for size in ((500, 375), (375, 500), (281, 300), (255, 640)):
        image = photograph(*size)
        np.testing.assert_allclose(through(contract, image), transform(image).numpy(), atol=1e-6)


def test_a_resize_without_words_is_no_contract(timm):
    config = {"input_size": (3, 224, 224), "interpolation": "bicubic", "mean": (0.5,) * 3, "std": (0.5,) * 3}
    assert zoo.timm_contract({**config, "crop_mode": "border", "crop_pct": 0.9}) is None
    assert zoo.timm_contract({**config, "crop_mode": "squash", "crop_pct": 0.9}) is None
    assert zoo.timm_contract({**config, "crop_mode": "squash", "crop_pct": 1.0}) == InputContract(
        (224, 224), "exact", None, "pillow-bicubic", mean=(0.5,) * 3, std=(0.5,) * 3
    )


@pytest.mark.parametrize("name", ["timm:mobilenetv3_small_050", "torchvision:mobilenet_v3_small"])
def test_a_model_of_a_zoo_with_weights_of_ones_own(timm, torchvision, tmp_path, name):
    torch.manual_seed(0)
    library, _, model = name.partition(":")
    made = timm.create_model(model) if library == "timm" else torchvision.models.get_model(model)
    torch.save(made.eval().state_dict(), tmp_path / "w.pt")
    loaded = exporters.load(name, weights=tmp_path / "w.pt")
    assert loaded.classes == 1000
    assert loaded.contract.size == (224, 224)
    assert len(loaded.class_names) == 1000
    tensor = loaded.contract.normalise(np.asarray(photograph(224, 224))[None])
    session = onnxruntime.InferenceSession(loaded.onnx_bytes, providers=["CPUExecutionProvider"])
    with torch.no_grad():
        expected = made(torch.from_numpy(tensor)).numpy()
    np.testing.assert_allclose(session.run(None, {loaded.input_name: tensor})[0], expected, atol=1e-4)


def test_unknown_names_list_close_ones(timm, torchvision):
    with pytest.raises(UsageError, match="Close: resnet18"):
        open_source("timm:resnet18x")
    with pytest.raises(UsageError, match="no model 'resnet19'"):
        open_source("torchvision:resnet19")
    with pytest.raises(UsageError, match="It has: IMAGENET1K_V1"):
        open_source("torchvision:resnet18:V9")


def test_without_a_network_the_error_says_what_to_do(timm, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(BadInputError, match="--weights"):
        open_source("timm:mobilenetv3_small_050.lamb_in1k")
