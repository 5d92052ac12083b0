"""Saved activations of whole networks: byte for byte what torch's autograd keeps in training mode."""

from __future__ import annotations

import pytest
import torch

import steelyard as sy
from steelyard.cost import training_memory


def check(name: str, shape: tuple[int, ...], device: str = "cpu") -> None:
    with torch.device(device):
        net = sy.create(name).train()
    load = sy.capture(net, input_shape=shape, training=True)
    own = {t.untyped_storage()._cdata for t in (*net.parameters(), *net.buffers())}
    kept: list[torch.Tensor] = []  # holds on to them, so that no address is used twice

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        net(torch.zeros(shape, device=device))
    storages = {t.untyped_storage()._cdata: t.untyped_storage().nbytes() for t in kept}
    truth = sum(size for address, size in storages.items() if address not in own)
    assert training_memory(load).saved_bytes == truth, name


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("resnet18", (2, 3, 64, 64)),
        ("resnet50", (2, 3, 64, 64)),
        ("resnet20_cifar", (2, 3, 32, 32)),
        ("googlenet", (2, 3, 64, 64)),
        ("lenet5", (2, 1, 32, 32)),
    ],
)
def test_saved_activations_of_a_network(name, shape):
    check(name, shape)


@pytest.mark.slow
@pytest.mark.parametrize("name", sy.list_models())
def test_saved_activations_of_every_network(name):
    """On the meta device, where autograd keeps the same tensors and none takes memory."""
    check(name, (2, *sy.info(name).input_shape[1:]), "meta")
