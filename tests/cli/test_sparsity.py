"""``steelyard sparsity``: the table, the file that ``estimate --zeros`` reads, and random weights."""

from __future__ import annotations

import json

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


def test_random_weights_are_warned_of(run_cli, folder) -> None:
    done = run_cli("sparsity", "resnet20_cifar", folder / "a.png", "--weights", "random")
    assert done.code == 0
    assert "the weights are random" in done.err
    again = run_cli("sparsity", "resnet20_cifar", folder / "a.png", "--weights", "random", "-o", folder / "z.json")  # fmt: skip
    assert "the weights are random" in again.err


def test_no_known_weights(run_cli, folder) -> None:
    done = run_cli("sparsity", "resnet20_cifar", folder / "a.png")
    assert done.code == 2
