"""One step beside the same in plain PyTorch: accumulation, clipping, precision, soft targets."""

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steelyard.data.loader import Batch
from steelyard.errors import DivergedError, UsageError
from steelyard.train.distributed import Group
from steelyard.train.recipe import Recipe, recipe_from
from steelyard.train.stepper import Stepper

CPU = torch.device("cpu")


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))


def recipe(**changes: Any) -> Recipe:
    base = {"network": {"name": "lenet5"}, "data": {"source": "digits"}}
    return recipe_from(base | {"optimizer": {"weight_decay": 0.0}} | changes, "x")


def batch(size: int = 10, targets: Tensor | None = None) -> Batch:
    torch.manual_seed(1)
    images, labels = torch.randn(size, 1, 8, 8), torch.randint(10, (size,))
    return Batch(images, labels, targets, torch.arange(size), size)


def stepper(network: nn.Module, **changes: Any) -> Stepper:
    return Stepper(recipe(**changes), network, device=CPU, group=Group())


def gradients(network: nn.Module) -> list[Tensor]:
    return [p.grad for p in network.parameters() if p.grad is not None]


def test_a_step_is_that_of_plain_pytorch() -> None:
    ours, theirs = net(), net()
    one = batch()
    result = stepper(ours)(one, 0, 10, 0.3)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.3, momentum=0.9, nesterov=True)
    logits = theirs(one.images)
    loss = F.cross_entropy(logits, one.labels)
    loss.backward()
    optimizer.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
    total, correct = result.sums.tolist()
    assert total == pytest.approx(10 * loss.item(), rel=1e-5)
    assert correct == (logits.argmax(1) == one.labels).sum().item()


@pytest.mark.parametrize("parts", [2, 3, 10])
def test_a_batch_in_parts_gives_the_gradient_of_the_whole(parts: int) -> None:
    whole, cut = net(), net()
    stepper(whole)(batch(), 0, 10, 0.3)
    stepper(cut, accumulate=parts)(batch(), 0, 10, 0.3)
    for a, b in zip(gradients(whole), gradients(cut), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_a_small_last_batch_is_cut_into_fewer_parts() -> None:
    whole, cut = net(), net()
    stepper(whole)(batch(3), 0, 10, 0.3)
    result = stepper(cut, accumulate=8)(batch(3), 0, 10, 0.3)
    assert result.images == 3
    for a, b in zip(gradients(whole), gradients(cut), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_the_gradient_is_clipped_to_its_norm() -> None:
    network = net()
    result = stepper(network, clip=0.01)(batch(), 0, 10, 0.0)
    norm = torch.cat([g.flatten() for g in gradients(network)]).norm().item()
    assert result.norm.item() > 0.1
    assert norm == pytest.approx(0.01, rel=1e-3)


def test_label_smoothing_is_szegedys_formula() -> None:
    # Szegedy et al. 2015, sec. 7: targets (1 - eps) one-hot + eps / K
    network, one = net(), batch()
    soft = 0.9 * F.one_hot(one.labels, 10) + 0.1 / 10
    expected = -(soft * network(one.images).log_softmax(1)).sum().item()
    result = stepper(network, loss={"label_smoothing": 0.1})(one, 0, 10, 0.0)
    assert result.sums[0].item() == pytest.approx(expected, rel=1e-5)


def test_soft_targets_are_used_and_accuracy_is_by_labels() -> None:
    network = net()
    soft = torch.full((10, 10), 0.1)
    one = batch(targets=soft)
    expected = -(soft * network(one.images).log_softmax(1)).sum().item()
    result = stepper(network)(one, 0, 10, 0.0)
    assert result.sums[0].item() == pytest.approx(expected, rel=1e-5)


def test_bfloat16_is_near_and_its_weights_stay_float32() -> None:
    exact, rough = net(), net()
    a = stepper(exact)(batch(), 0, 10, 0.1).sums[0].item()
    b = stepper(rough, precision="bf16")(batch(), 0, 10, 0.1).sums[0].item()
    assert a != b and a == pytest.approx(b, rel=0.02)
    assert {p.dtype for p in rough.parameters()} == {torch.float32}


def test_fp16_needs_cuda() -> None:
    with pytest.raises(UsageError, match="precision=bf16"):
        stepper(net(), precision="fp16")


def test_channels_last_lays_out_weights() -> None:
    network = nn.Sequential(nn.Conv2d(2, 4, 3))
    stepper(network, channels_last=True)
    assert network[0].weight.is_contiguous(memory_format=torch.channels_last)


class Exits(nn.Module):
    """Two exits, as a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = net(), net()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.one(x), self.two(x) * 2


def test_losses_of_exits_are_added_with_their_weights() -> None:
    network, one = Exits(), batch()
    first, second = (F.cross_entropy(out, one.labels).item() for out in network(one.images))
    plain = stepper(copy.deepcopy(network))(one, 0, 10, 0.0).sums[0].item()
    weighted = stepper(copy.deepcopy(network), loss={"exit_weights": [0.25, 1.0]})
    assert plain == pytest.approx(10 * (first + second), rel=1e-5)
    assert weighted(one, 0, 10, 0.0).sums[0].item() == pytest.approx(
        10 * (first / 4 + second), rel=1e-5
    )
    with pytest.raises(UsageError, match="has 3 values, the network 2 outputs"):
        stepper(network, loss={"exit_weights": [1.0, 1.0, 1.0]})(one, 0, 10, 0.0)


def fault(network: nn.Module, one: Batch | None = None, **changes: Any) -> str:
    before = [p.detach().clone() for p in network.parameters()]
    with pytest.raises(DivergedError) as error:
        stepper(network, **changes)(one or batch(), 6, 10, 0.3)
    assert all(
        torch.equal(a, b) or not torch.isfinite(a).all()
        for a, b in zip(before, network.parameters(), strict=True)
    )
    return str(error.value)


class Overflow(nn.Module):
    """Finite on the way there, not on the way back: the root's slope at 0 is infinite."""

    def forward(self, x: Tensor) -> Tensor:
        return (x * 0).sqrt()


def test_the_first_layer_that_is_not_finite_is_named() -> None:
    network = net()
    nn.init.constant_(network[3].weight, 3e38)
    text = fault(network)
    assert "diverged at step 7: the first layer whose output is not finite is 3 (Linear)" in text
    assert "optimizer.lr=0.033" in text and "clip=1.0" in text


def test_gradients_and_parameters_and_inputs_that_are_not_finite_are_named() -> None:
    backward = nn.Sequential(nn.Flatten(), nn.Linear(64, 10), Overflow())
    assert "that of 1.bias" in fault(backward) or "that of 1.weight" in fault(backward)
    broken = net()
    nn.init.constant_(broken[0].bias, float("nan"))
    assert "the parameter 0.bias is not finite" in fault(broken)
    one = batch(targets=torch.full((10, 10), float("nan")))
    assert "an input or a target is not" in fault(net(), one)
