"""CONV and FC layers as tables count them, on small networks whose layers are known."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from steelyard.capture.api import capture
from steelyard.tables.weighted import conv_depth, weighted_layers


class Branches(nn.Module):
    """One convolution beside a chain of two, joined; then a head that covers the map."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 4, 1)
        self.b = nn.Conv2d(3, 4, 3, padding=1)
        self.c = nn.Conv2d(4, 4, (1, 5), padding=(0, 2), groups=2)
        self.head = nn.Conv2d(8, 10, (6, 7))
        self.last = nn.Linear(10, 2)

    def forward(self, x: Tensor) -> Tensor:
        joined = torch.cat([self.a(x), self.c(self.b(x))], dim=1)
        return self.last(F.relu(self.head(joined)).flatten(1))


def test_layers_of_a_branched_network() -> None:
    load = capture(Branches(), input_shape=(2, 3, 6, 7))
    layers = {layer.name: layer for layer in weighted_layers(load)}
    assert [(n, x.fully_connected) for n, x in layers.items()] == [
        ("a", False), ("b", False), ("c", False), ("head", True), ("last", True),
    ]  # fmt: skip
    assert (layers["c"].kernel, layers["c"].channels, layers["c"].weights) == ((1, 5), 4, 40)
    assert (layers["head"].kernel, layers["head"].channels) == ((6, 7), 8)
    assert (layers["last"].kernel, layers["last"].channels) == ((1, 1), 10)
    assert conv_depth(load) == 2


def test_a_linear_layer_reads_the_map_behind_flatten_and_activation() -> None:
    network = nn.Sequential(nn.Conv2d(1, 5, 3), nn.Flatten(), nn.ReLU(), nn.Linear(5 * 16, 7))
    conv, linear = weighted_layers(capture(network, input_shape=(1, 1, 6, 6)))
    assert (conv.channels, conv.filters, conv.stride) == (1, 5, (1, 1))
    assert (linear.kernel, linear.channels, linear.filters) == ((4, 4), 5, 7)
    assert linear.weights == linear.macs == 5 * 16 * 7


def test_a_linear_layer_without_a_map_is_1x1() -> None:
    (layer,) = weighted_layers(capture(nn.Linear(30, 4), input_shape=(8, 30)))
    assert (layer.kernel, layer.channels, layer.filters, layer.macs) == ((1, 1), 30, 4, 960)


def test_products_with_constants_are_no_layers() -> None:
    class Codes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("codes", torch.zeros(3, 8))

        def forward(self, x: Tensor) -> Tensor:
            return F.linear(x, self.get_buffer("codes"))

    load = capture(Codes(), input_shape=(1, 8))
    assert load.macs == 24
    assert weighted_layers(load) == ()


def test_a_network_without_convolutions_has_depth_0() -> None:
    assert conv_depth(capture(nn.Linear(3, 3), input_shape=(1, 3))) == 0
