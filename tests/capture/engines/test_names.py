"""Names in a workload are those that the network had when it was captured, by PyTorch's own account."""

from __future__ import annotations

from torch import Tensor, nn

import steelyard as sy


class Shared(nn.Module):
    """A module under two names, two names for one weight, a child and a bias that are not there."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4))
        self.blocks = nn.ModuleDict({"a": nn.Conv2d(4, 4, 1), "b": nn.Conv2d(4, 4, 1)})
        self.again = self.stem[1]
        self.register_module("none", None)
        self.blocks["b"].weight = self.blocks["a"].weight

    def forward(self, x: Tensor) -> Tensor:
        x = self.again(self.stem(x))
        y: Tensor = self.blocks["b"](self.blocks["a"](x))
        return y


def test_names_are_those_of_the_capture_though_made_later() -> None:
    model = Shared()
    parameters = [name for name, _ in model.named_parameters()]
    buffers = {name for name, _ in model.named_buffers()}
    load = sy.capture(model, input_shape=(1, 3, 8, 8), method="shapes")
    model.other, model.blocks = model.blocks, nn.ModuleDict()
    model.stem[0].register_parameter("weight", None)
    model.stem.add_module("more", nn.Linear(2, 2))
    assert [t.name for t in load.tensors if t.role == "parameter"] == parameters
    assert {t.name for t in load.tensors if t.role == "buffer"} == buffers
    assert [layer.module for layer in load.layers] == [
        "stem.0", "stem.1", "stem.1", "blocks.a", "blocks.b",
    ]  # fmt: skip
    assert load.layers[-1].params == ("blocks.a.weight", "blocks.b.bias")
