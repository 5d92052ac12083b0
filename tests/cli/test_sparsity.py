"""``steelyard sparsity``: the table, the file that ``estimate --zeros`` reads, and random weights."""

from __future__ import annotations

import json
from importlib import metadata

import pytest
import torch
from PIL import Image

import steelyard as sy


@pytest.fixture
def folder(tmp_path):
    """A small network's weights and two pictures."""
    torch.manual_seed(0)
    net = sy.create("resnet20_cifar")
    net(torch.randn(8, 3, 32, 32))
    torch.save(net.state_dict(), tmp_path / "net.pt")
    for name in "ab":
        noise = torch.randint(256, (40, 40, 3), dtype=torch.uint8).numpy()
        Image.fromarray(noise).save(tmp_path / f"{name}.png")
    return tmp_path


def test_table(run_cli, folder) -> None:
    done = run_cli(
        "sparsity", "resnet20_cifar", folder / "a.png", folder / "b.png", "--weights", folder / "net.pt"
    )  # fmt: skip
    assert done.code == 0
    assert "zeros of resnet20_cifar on 2 images, weights from" in done.out
    assert done.err == ""


SMALL = """\
schema: steelyard.device/1
kind: accelerator
name: small
clock_hz: 100 MHz
mac_pj: 1
zeros: {gate: [I], compress: {I: bitmask, O: bitmask}}
levels:
  dram: {read_pj: 200, write_pj: 200}
  buffer: {capacity_bytes: 64 KiB, read_pj: 6, write_pj: 6}
"""


def test_from_photographs_to_an_estimate(run_cli, folder) -> None:
    (folder / "small.yaml").write_text(SMALL)
    file = folder / "zeros.json"
    done = run_cli(
        "sparsity", "resnet20_cifar", folder / "a.png", "--weights", folder / "net.pt", "-o", file
    )
    assert done.code == 0
    data = json.loads(file.read_text())
    assert data["schema"] == "steelyard.sparsity/1"
    estimate = ("estimate", "resnet20_cifar", "--device", folder / "small.yaml", "--json")
    dense = json.loads(run_cli(*estimate).out)
    sparse = json.loads(run_cli(*estimate, "--zeros", file).out)
    assert sparse["total"]["energy_pj"] < dense["total"]["energy_pj"]
    assert sparse["total"]["dram_accesses"] < dense["total"]["dram_accesses"]
    assert "gated on I, stored as I bitmask, O bitmask" in sparse["notes"][-1]


@pytest.mark.slow
def test_real_weights_and_photographs(run_cli, tmp_path) -> None:
    """EfficientNet-Lite0: ReLU6 maps have zeros, linear bottlenecks none, and the device makes use of them."""
    (tmp_path / "small.yaml").write_text(SMALL)
    photos = metadata.distribution("scikit-image").locate_file("skimage/data")
    files = [f"{photos}/{name}" for name in ("chelsea.png", "coffee.png")]
    done = run_cli("sparsity", "efficientnet_lite0", *files, "-o", tmp_path / "zeros.json")
    assert (done.code, done.err) == (0, "")
    zeros = {
        layer["name"]: layer
        for layer in json.loads((tmp_path / "zeros.json").read_text())["layers"]
    }
    assert zeros["features.1.0.block.0.0"]["input_zeros"] > 0.1
    linear = [layer for name, layer in zeros.items() if name.endswith(".block.2.0")]
    assert len(linear) > 10
    assert max(layer["output_zeros"] for layer in linear) < 1e-4
    estimate = ("estimate", "efficientnet_lite0", "--device", tmp_path / "small.yaml", "--json")
    dense = json.loads(run_cli(*estimate).out)["total"]
    sparse = json.loads(run_cli(*estimate, "--zeros", tmp_path / "zeros.json").out)["total"]
    assert sparse["energy_pj"] < dense["energy_pj"]
    assert sparse["dram_accesses"] < dense["dram_accesses"]
    assert sparse["cycles"] == dense["cycles"]


def test_random_weights_are_warned_of(run_cli, folder) -> None:
    done = run_cli("sparsity", "resnet20_cifar", folder / "a.png", "--weights", "random")
    assert done.code == 0
    assert "the weights are random" in done.err
    again = run_cli("sparsity", "resnet20_cifar", folder / "a.png", "--weights", "random", "-o", folder / "z.json")  # fmt: skip
    assert "the weights are random" in again.err


def test_no_known_weights(run_cli, folder) -> None:
    done = run_cli("sparsity", "resnet20_cifar", folder / "a.png")
    assert done.code == 2
