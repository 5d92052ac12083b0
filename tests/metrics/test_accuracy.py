"""Accuracy: published figures go to the network they are of and to no other; that of a run is its own."""

from dataclasses import replace
from pathlib import Path

import pytest
from by_hand import linear

import steelyard as sy
from steelyard.errors import UsageError
from steelyard.metrics.accuracy import accuracy
from steelyard.metrics.subject import subject
from steelyard.train.run import Run


def test_published_with_all_that_it_depends_on() -> None:
    found = accuracy(subject("resnet18"), sy.device("tpu_v1"))
    # torchvision's ResNet18_Weights.IMAGENET1K_V1: acc@1 69.758, acc@5 89.078
    assert found.value == pytest.approx(69.758)
    assert found.other("top-5 accuracy").value == pytest.approx(89.078)
    stated = dict(found.stated)
    assert stated["data set"] == "ImageNet"
    assert stated["image size"] == "3 x 224 x 224"
    assert "8-bit weights" in stated["precision"]


def test_what_is_not_that_network_has_no_accuracy() -> None:
    load = sy.capture("resnet18")
    reasons = {
        "resnet18:num_classes=10": "no accuracy of resnet18 with num_classes=10 is published",
        load.with_dtype("float16"): "",
        sy.capture(
            "resnet18", input_shape=(1, 3, 160, 160)
        ): "of images of 3 x 224 x 224, not 3 x 160 x 160",
        replace(load, source="onnx"): "not of the zoo",
        replace(load, name="resnet34"): "parameters of the published network",
        linear(6, 8): "not of the zoo",
    }
    for net, reason in reasons.items():
        figure = accuracy(subject(net)).figure
        assert (figure.value is None) == bool(reason)
        assert reason in figure.unavailable


def test_of_a_run(digits_run: Path) -> None:
    run = Run.open(digits_run)
    net = subject("lenet_caffe:num_classes=10,in_channels=1,resolution=16")
    found = accuracy(net, run=run)
    assert (found.value, found.other("top-5 accuracy").value) == (92.0, 99.0)
    assert dict(found.stated)["data set"] == "digits, test split"
    with pytest.raises(
        UsageError, match=r"trained lenet_caffe with .*, the card is of lenet_caffe"
    ):
        accuracy(subject("lenet_caffe"), run=run)
    with pytest.raises(UsageError, match="expected: a run of the same network"):
        accuracy(subject("lenet5"), run=run)
    (digits_run / "metrics.jsonl").write_text("")
    with pytest.raises(UsageError, match="has tested nothing yet"):
        accuracy(net, run=run)
