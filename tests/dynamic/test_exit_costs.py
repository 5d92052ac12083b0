"""Costs of exits against counts of what hooks see run, the authors' figures, and the cost of the whole network."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from steelyard.capture.api import capture
from steelyard.cost.api import cost
from steelyard.dynamic.attach_exits import attach_exits, lazy_exits
from steelyard.dynamic.early_exit import leaves
from steelyard.dynamic.exit_costs import ExitCosts, exit_costs
from steelyard.errors import ShapeError, UsageError
from steelyard.zoo.registry import create

TINY: dict[str, Any] = {"channels": 4, "growth": 2, "blocks": 4, "classifier_channels": 8}


def executed(network: Any, images: Tensor) -> tuple[list[int], list[int]]:
    """MACs of convolutions and linear layers that really run in each stage, and elements of the states."""
    counts, total = [], 0

    def count(module: nn.Module, _: object, output: Tensor) -> None:
        nonlocal total
        total += output.numel() * module.weight[0].numel()  # type: ignore[index,operator,union-attr]

    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(count)
    state, states = network.begin(images), []
    for stage in range(network.exits):
        before = total
        _, state = network.advance(stage, state)
        counts.append(total - before)
        states.append(sum(leaf.numel() for leaf in leaves(state)))
    return counts, states


def resnet() -> Any:
    return attach_exits(create("resnet20_cifar", width=0.5), ["layer1", "layer2.0"]).eval()


def msdnet() -> Any:
    return create("msdnet7_anytime_cifar", **TINY).eval()


@pytest.mark.parametrize("make", [resnet, msdnet, lambda: lazy_exits(msdnet())])
def test_each_stage_costs_what_it_runs(make: Any) -> None:
    network = make()
    costs = exit_costs(network, (1, 3, 32, 32))
    macs, _ = executed(network, torch.randn(1, 3, 32, 32))
    assert list(costs.added_macs) == macs
    assert list(costs.macs) == torch.tensor(macs).cumsum(0).tolist()
    assert costs.params[-1] == sum(p.numel() for p in network.parameters())
    assert sum(row.added.params for row in costs.rows) == costs.params[-1]
    assert list(costs.params) == sorted(costs.params)


def test_the_whole_is_the_network_s_own_cost() -> None:
    network = create("resnet20_cifar", width=0.5).eval()
    whole = cost(capture(network)).total
    costs = exit_costs(attach_exits(network, ["layer1"]))
    head = costs.macs[-1] - whole.macs
    # the attached head: a linear layer from 8 channels to 10 classes
    assert head == 80
    assert costs.rows[-1].total.params == whole.params + 90
    summed = costs.rows[0].added
    for row in costs.rows[1:]:
        summed = summed + row.added
    assert summed == costs.rows[-1].total


def test_memory_of_what_is_kept() -> None:
    network = resnet()
    costs = exit_costs(network)
    _, states = executed(network, torch.randn(1, 3, 32, 32))
    # 8 channels at 32x32, 16 at 16x16
    assert [row.state_bytes for row in costs.rows] == [4 * n for n in states]
    assert states == [8 * 1024, 16 * 256, 0]
    peaks = [row.peak_bytes for row in costs.rows]
    assert peaks == sorted(peaks)


def test_lazy_exits_cost_no_more_and_the_same_in_the_end() -> None:
    network = msdnet()
    eager, lazy = exit_costs(network), exit_costs(lazy_exits(network))
    assert all(a <= b for a, b in zip(lazy.macs, eager.macs, strict=True))
    assert lazy.macs[0] < eager.macs[0]
    # the finest maps of the last layers are read by nobody, and are not made at all
    assert lazy.macs[-1] <= eager.macs[-1]


def test_a_larger_batch_costs_as_many_times_more() -> None:
    network = resnet()
    one, four = exit_costs(network), exit_costs(network, (4, 3, 32, 32))
    assert [4 * n for n in one.macs] == list(four.macs)
    assert one.params == four.params


def test_plain_data_and_table() -> None:
    costs = exit_costs(resnet())
    data = costs.to_dict()
    assert data["schema"] == "steelyard.exit_costs/1"
    exits = data["exits"]
    assert isinstance(exits, list)
    assert [one["total"]["macs"] for one in exits] == list(costs.macs)
    text = str(costs)
    assert "what leaving at each exit costs" in text
    assert "MACs added" in text


def test_the_network_is_left_as_it_was() -> None:
    network = resnet().train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    exit_costs(network)
    assert network.training
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_what_cannot_be_weighed() -> None:
    with pytest.raises(UsageError, match="attach_exits"):
        exit_costs(create("resnet20_cifar"))
    network = msdnet()
    network.input_shape = None
    with pytest.raises(ShapeError, match="the size of the images of MSDNet is not known"):
        exit_costs(network)


def authors_millions(costs: ExitCosts) -> list[float]:
    """The op counter of kalviny/MSDNet-PyTorch: one more for every ReLU element, pool tap and bias of a linear layer."""
    counts, total = [], 0
    for load in costs.stages:
        for layer in load.layers:
            total += layer.macs
            size = load.tensor(layer.inputs[0]).numel if layer.inputs else 0
            out = load.tensor(layer.outputs[0]).numel
            if "relu" in layer.op or "adaptive_avg_pool" in layer.op:
                total += size
            elif "max_pool" in layer.op:
                total += 9 * out
            elif layer.kind == "linear":
                total += out
        counts.append(total / 1e6)
    return counts


@pytest.mark.parametrize(
    ("name", "classes", "digits", "millions"),
    [
        ("msdnet5_budgeted_cifar", 100, 2, [6.86, 14.35, 27.54, 41.71, 58.48]),
        pytest.param(
            "msdnet7_anytime_cifar", 100, 2, [15.14, 25.51, 37.1, 46.33, 57.34, 66.96, 75.94],
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "msdnet5_step4", 1000, 1, [339.9, 685.5, 1008.2, 1254.5, 1360.5], marks=pytest.mark.slow
        ),
        pytest.param(
            "msdnet5_step6", 1000, 1, [514.7, 1171.2, 1844.5, 2501.4, 2742.1], marks=pytest.mark.slow
        ),
    ],
)  # fmt: skip
def test_published_counts_of_every_exit(
    name: str, classes: int, digits: int, millions: list[float]
) -> None:
    with torch.device("meta"):
        network = create(name, num_classes=classes).eval()
    counts = authors_millions(exit_costs(network))
    assert [round(one, digits) for one in counts] == millions
