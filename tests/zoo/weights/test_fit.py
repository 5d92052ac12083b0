"""Tensors of a file beside those of a network: names, shapes, heads, and what does not fit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from steelyard.errors import FileFormatError, UsageError
from steelyard.zoo.weights.fit import fit


class Net(nn.Module):
    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1, bias=False)
        self.bn = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4, classes)


def state(classes: int = 10) -> dict[str, Tensor]:
    torch.manual_seed(1)
    return {k: torch.randn(v.shape) for k, v in Net(classes).state_dict().items()}


def put(net: Net, tensors: dict[str, Tensor], *, classes: int = 10, **options: object) -> None:
    fit(net, tensors, [()], what="net.pt", classes=classes, **options)  # type: ignore[arg-type]


def test_all_values_arrive_and_the_counters_stay() -> None:
    net, tensors = Net(), state()
    tensors.pop("bn.num_batches_tracked")
    put(net, tensors)
    for key, value in tensors.items():
        assert torch.equal(net.state_dict()[key], value)
    assert net.bn.num_batches_tracked == 0


def test_of_several_ways_to_rename_the_fitting_one_is_used() -> None:
    net, tensors = Net(), state()
    theirs = {k.replace("conv.", "stem.").replace("fc.", "head."): v for k, v in tensors.items()}
    ways = [(), ((r"^stem\.", "conv."), (r"^head\.", "fc."))]
    fit(net, theirs, ways, what="net.pt", classes=10)
    assert torch.equal(net.fc.weight, tensors["fc.weight"])


def test_a_linear_layer_is_a_1x1_convolution() -> None:
    net, tensors = Net(), state()
    tensors["conv.weight"] = tensors["conv.weight"].flatten(1)
    tensors["fc.weight"] = tensors["fc.weight"][:, :, None, None]
    put(net, tensors)
    assert torch.equal(net.conv.weight[:, :, 0, 0], tensors["conv.weight"])


def test_a_convolution_over_the_whole_map_is_a_linear_layer() -> None:
    linear, conv = nn.Linear(3 * 2 * 2, 5), nn.Conv2d(3, 5, 2)
    fit(linear, conv.state_dict(), [()], what="x", classes=1)
    image = torch.randn(2, 3, 2, 2)
    torch.testing.assert_close(linear(image.flatten(1)), conv(image).flatten(1))


def test_auxiliary_heads_that_the_network_lacks_are_passed_over() -> None:
    net, tensors = Net(), state()
    put(net, tensors | {"aux1.fc.weight": torch.zeros(1), "AuxLogits.fc.bias": torch.zeros(1)})
    assert torch.equal(net.state_dict()["conv.weight"], tensors["conv.weight"])


def test_what_is_renamed_to_nothing_is_passed_over() -> None:
    net, tensors = Net(), state()
    extra = tensors | {"side.weight": torch.zeros(1)}
    fit(net, extra, [((r"^side\..*", ""),)], what="x", classes=10)
    assert torch.equal(net.state_dict()["conv.weight"], tensors["conv.weight"])


def test_what_does_not_fit_is_named_and_nothing_is_changed() -> None:
    net, tensors = Net(), state()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    tensors["bn.weight"] = torch.zeros(5)
    for i in range(5):
        tensors[f"more{i}"] = torch.zeros(1)
    del tensors["conv.weight"]
    with pytest.raises(FileFormatError) as caught:
        put(net, tensors)
    assert str(caught.value).splitlines() == [
        "net.pt does not fit the network (8 tensors)",
        "1 missing in the file: conv.weight",
        "5 unknown to the network: more0, more1, more2 and 2 more",
        "1 of another shape or type: bn.weight (5 in the file, 4 in the network)",
    ]
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())


def test_shapes_of_equal_size_are_not_swapped() -> None:
    tensors = state(12)
    tensors["fc.weight"] = tensors["fc.weight"].T
    with pytest.raises(
        FileFormatError, match=r"fc.weight \(4x12 in the file, 12x4 in the network\)"
    ):
        put(Net(12), tensors, classes=12)


def test_other_classes_are_an_error_that_says_what_to_type() -> None:
    with pytest.raises(FileFormatError) as caught:
        put(Net(10), state(20))
    assert str(caught.value) == (
        "net.pt was trained for 20 classes and the network has 10 classes\n"
        "try: num_classes=20; for a new classifier to train, create(..., num_classes=10) typed out"
    )


def test_a_new_head_keeps_its_own_values() -> None:
    net, tensors = Net(10), state(20)
    own = net.fc.weight.clone()
    put(net, tensors, new_head=True)
    assert torch.equal(net.fc.weight, own)
    assert torch.equal(net.conv.weight, tensors["conv.weight"])


def test_half_precision_becomes_the_networks() -> None:
    net = Net()
    put(net, {k: v.half() for k, v in state().items()})
    assert net.conv.weight.dtype == torch.float32


def test_whole_numbers_are_no_weights() -> None:
    tensors = state()
    tensors["conv.weight"] = tensors["conv.weight"].to(torch.int8)
    with pytest.raises(
        FileFormatError, match=r"torch.int8 in the file, torch.float32 in the network"
    ):
        put(Net(), tensors)


def test_the_meta_device_has_no_room() -> None:
    with torch.device("meta"):
        net = Net()
    with pytest.raises(UsageError, match="on the meta device"):
        put(net, state())
