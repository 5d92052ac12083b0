"""Losses of several exits beside formulas worked out by hand, and a few steps that make every exit better."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steelyard.data.loader import Batch
from steelyard.data.registry import load_data
from steelyard.dynamic.attach_exits import AttachedExits, LazyExits
from steelyard.errors import UnknownNameError, UsageError
from steelyard.train.api import train
from steelyard.train.distributed import Group
from steelyard.train.exit_losses import balanced_outputs, distillation, teachers
from steelyard.train.loss import summed_loss
from steelyard.train.recipe import LossPart, Recipe, recipe_from
from steelyard.train.stepper import Stepper
from steelyard.zoo.registry import create

MSDNET: dict[str, Any] = {
    "name": "msdnet4_budgeted_cifar",
    "config": {
        "in_channels": 1, "resolution": 8, "channels": 4, "growth": 2, "classifier_channels": 8,
        "growth_factors": [1, 2], "bottleneck_factors": [1, 2], "blocks": 3,
    },
}  # fmt: skip


def recipe(**loss: Any) -> Recipe:
    tables = {
        "network": MSDNET, "data": {"source": "digits"}, "loss": loss, "optimizer": {"lr": 0.05},
        "channels_last": False,
    }  # fmt: skip
    return recipe_from(tables, "exits")


def exits(count: int = 3, classes: int = 5) -> tuple[tuple[Tensor, ...], Tensor]:
    torch.manual_seed(0)
    logits = tuple(torch.randn(4, classes, requires_grad=True) for _ in range(count))
    return logits, torch.tensor([0, 4, 2, 2])


def test_losses_are_weighted_and_added() -> None:
    logits, labels = exits()
    total, main = summed_loss(logits, labels, LossPart(exit_weights=(1.0, 0.5, 2.0)))
    parts = [F.cross_entropy(one, labels, reduction="sum") for one in logits]
    torch.testing.assert_close(total, parts[0] + 0.5 * parts[1] + 2 * parts[2])
    assert main is logits[-1]


@pytest.mark.parametrize("kind", ["last", "next"])
def test_a_share_of_the_loss_comes_from_the_teacher(kind: Any) -> None:
    logits, labels = exits()
    part = LossPart(distillation=0.25, teacher=kind, temperature=2.0)
    total, _ = summed_loss(logits, labels, part)
    wanted = F.cross_entropy(logits[2], labels, reduction="sum")
    for student, teacher in enumerate((2, 2) if kind == "last" else (1, 2)):
        p, q = (logits[teacher] / 2).softmax(1), (logits[student] / 2).softmax(1)
        divergence = (p * (p / q).log()).sum()
        hard = F.cross_entropy(logits[student], labels, reduction="sum")
        wanted = wanted + 0.75 * hard + 0.25 * 4 * divergence
    torch.testing.assert_close(total, wanted)


def test_no_gradient_reaches_the_teacher() -> None:
    logits, _ = exits(2)
    distillation(logits[0], logits[1], 3.0).backward()
    assert logits[1].grad is None
    assert logits[0].grad is not None


def test_a_student_that_agrees_loses_nothing() -> None:
    logits, _ = exits(1)
    assert distillation(logits[0], logits[0] + 7, 4.0).item() == pytest.approx(0, abs=1e-5)


def test_who_teaches_whom() -> None:
    assert teachers(1, "last") == teachers(1, "next") == []


@pytest.mark.parametrize(
    "outputs", [torch.zeros(4, 5), {"logits": torch.zeros(4, 5), "aux": torch.zeros(4, 5)}]
)
def test_distillation_without_exits_is_refused(outputs: Any) -> None:
    with pytest.raises(UsageError, match="a network without early exits"):
        summed_loss(outputs, torch.zeros(4, dtype=torch.long), LossPart(distillation=0.5))


class Chain(nn.Module):
    """Blocks and classifiers that are one linear layer each."""

    exits = 4

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.blocks = nn.ModuleList(nn.Linear(3, 3) for _ in range(4))
        self.classifiers = nn.ModuleList(nn.Linear(3, 2) for _ in range(4))

    def begin(self, images: Tensor) -> Tensor:
        return images

    def advance(self, stage: int, state: Tensor) -> tuple[Tensor, Tensor]:
        state = self.blocks[stage](state)
        return self.classifiers[stage](state), state

    def forward(self, images: Tensor) -> list[Tensor]:
        logits, state = [], self.begin(images)
        for stage in range(self.exits):
            out, state = self.advance(stage, state)
            logits.append(out)
        return logits


def test_each_block_gets_the_mean_of_its_exits_gradients() -> None:
    """Li et al. 2019, sec. 3.1: of K exits, block j gets the sum of the K - j + 1 behind it, divided by as many."""
    network, images = Chain(), torch.randn(5, 3)
    targets = [torch.randn(5, 2) for _ in range(4)]
    alone = []
    for i, target in enumerate(targets):
        network.zero_grad()
        F.mse_loss(network(images)[i], target).backward()
        alone.append(
            {n: p.grad.clone() for n, p in network.named_parameters() if p.grad is not None}
        )
    network.zero_grad()
    losses = [
        F.mse_loss(a, b) for a, b in zip(balanced_outputs(network, images), targets, strict=True)
    ]
    torch.stack(losses).sum().backward()
    for name, parameter in network.named_parameters():
        behind = [one[name] for one in alone if name in one]
        factor = len(behind) if name.startswith("blocks") else 1
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, sum(behind) / factor)


def test_balancing_leaves_outputs_and_network_as_they_are() -> None:
    network = create(MSDNET["name"], **MSDNET["config"]).eval()
    images = torch.randn(2, 1, 8, 8)
    outputs = balanced_outputs(network, images)
    assert all(torch.equal(a, b) for a, b in zip(outputs, network(images), strict=True))
    assert not any(module._forward_pre_hooks for module in network.modules())


def test_balancing_needs_exits() -> None:
    with pytest.raises(UsageError, match="gradient_equilibrium for Sequential"):
        Stepper(
            recipe(gradient_equilibrium=True),
            nn.Sequential(nn.Flatten(), nn.Linear(64, 10)),
            device=torch.device("cpu"),
            group=Group(),
        )


def test_unknown_keys_name_the_nearest() -> None:
    with pytest.raises(
        UsageError, match=r"has no setting 'distilation'[^$]*distillation="
    ) as caught:
        recipe(distilation=0.5)
    assert "[loss]" in str(caught.value)
    with pytest.raises(UsageError, match="'last' or 'next'"):
        recipe(teacher="first")


@pytest.mark.parametrize(
    "loss",
    [
        {"exit_weights": [0.5, 1.0, 2.0]},
        {"distillation": 0.5, "teacher": "next"},
        {"gradient_equilibrium": True},
        {"gradient_equilibrium": True, "distillation": 0.3, "label_smoothing": 0.1},
    ],
)
def test_a_few_steps_on_digits_make_every_exit_better(loss: dict[str, Any]) -> None:
    torch.manual_seed(0)
    network = create(MSDNET["name"], **MSDNET["config"])
    digits = load_data("digits", "train")
    count = 128
    images = torch.stack([torch.as_tensor(digits.image(i)).float() for i in range(count)])
    images = images.reshape(count, 1, 8, 8) / images.max()
    labels = torch.tensor([int(digits.labels[i]) for i in range(count)])
    step = Stepper(recipe(**loss), network, device=torch.device("cpu"), group=Group())

    def losses() -> list[float]:
        with torch.no_grad():
            return [F.cross_entropy(out, labels).item() for out in network.train()(images)]

    before = losses()
    for number in range(12):
        step(Batch(images, labels, None, torch.arange(count), count), number, 12, 0.05)
    assert all(after < early for early, after in zip(before, losses(), strict=True))


def test_a_recipe_attaches_exits_and_its_run_has_them(tmp_path: Path) -> None:
    tables = {
        "network": {
            "name": "resnet20_cifar",
            "config": {"in_channels": 1, "resolution": 8, "width": 0.25, "blocks": [1, 1]},
            "exits_at": ["layer1"],
        },
        "data": {"source": "digits", "batch": 512},
        "loss": {"gradient_equilibrium": True, "distillation": 0.2},
    }
    run = train(recipe_from(tables, "attached"), run=tmp_path / "run")
    network = run.network("last")
    assert isinstance(network, AttachedExits)
    assert network.at == ("layer1",)
    assert len(network(torch.zeros(2, 1, 8, 8))) == 2
    assert run.recipe.network.exits_at == ("layer1",)


def test_exits_that_a_recipe_cannot_have() -> None:
    def build(**network: Any) -> nn.Module:
        tables = {"network": {"name": "resnet20_cifar"} | network, "data": {"source": "digits"}}
        return recipe_from(tables, "x").network.build()

    with pytest.raises(UnknownNameError, match="no module is named 'layer9'"):
        build(exits_at=["layer9"])
    with pytest.raises(UsageError, match="does not return several outputs"):
        build(lazy_exits=True)
    with pytest.raises(UsageError, match="expected: one of them"):
        build(exits_at=["layer1"], lazy_exits=True)
    assert isinstance(build(**MSDNET, lazy_exits=True), LazyExits)
