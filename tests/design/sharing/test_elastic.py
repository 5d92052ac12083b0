"""The super-network: every network in it is an ordinary one whose weights are the parts that the papers say."""

from __future__ import annotations

from random import Random

import pytest
import torch
import torch.nn.functional as F
from tests.design.sharing.tiny import images, mobile, recipe
from torch import Tensor

from steelyard.design.sharing import ElasticNetwork, Sandwich, calibrate
from steelyard.design.spaces import MobileSpace, MobileStage, Point
from steelyard.errors import UsageError


@pytest.fixture(name="network")
def made() -> ElasticNetwork:
    """With matrices that are no identities."""
    torch.manual_seed(0)
    network = ElasticNetwork(mobile())
    for matrix in network.matrices.values():
        torch.nn.init.normal_(matrix, std=0.3)
    return network.train()


def point(network: ElasticNetwork, **chosen: object) -> Point:
    """The largest but for some choices, whose dots are underlines."""
    choices = network.space.choices
    values = {c.name: c.values[i] for c, i in zip(choices, network.biggest, strict=True)}
    values |= {name.replace("_", "."): value for name, value in chosen.items()}
    return tuple(choice.values.index(values[choice.name]) for choice in choices)


def test_any_network_gives_what_it_gives_as_an_ordinary_one(network: ElasticNetwork) -> None:
    """Bit for bit, in training mode; and the largest is the family's own network."""
    space, random = network.space, Random(0)
    for at in (network.biggest, network.smallest, *(space.sample(random) for _ in range(12))):
        x = torch.randn(4, 1, *space.input_shape(at)[2:])
        ordinary = network.extract(at).train()
        assert type(ordinary) is type(space.build(at))
        assert torch.equal(network(x, at), ordinary(x))


def test_parts_are_the_first_channels_the_first_blocks_and_the_middles_of_kernels(
    network: ElasticNetwork,
) -> None:
    """Cai et al. 2019, fig. 3 and sec. 3.3: kernel 7 to 3 goes over 5, a matrix for each, the same for all channels."""
    whole = dict(network.largest.named_parameters())
    at = point(network, stage2_repeats=2, stage2_kernel=3, stage2_channels=16, stage2_se=0)
    found = dict(network.extract(at).named_parameters())
    # features: stem, one block, three blocks (here two), the last convolution
    assert torch.equal(found["features.1.block.1.0.weight"], whole["features.1.block.1.0.weight"])
    assert torch.equal(found["features.4.0.weight"], whole["features.5.0.weight"][:, :16])
    second = found["features.3.block.0.0.weight"]
    assert torch.equal(second, whole["features.3.block.0.0.weight"][:48, :16])
    # without squeeze-and-excitation the last convolution stands a place earlier
    assert torch.equal(
        found["features.3.block.2.0.weight"], whole["features.3.block.3.0.weight"][:16, :48]
    )
    seven = whole["features.3.block.1.0.weight"][:48]
    to_five, to_three = (network.matrices[f"features_3_block_1_0_weight_{side}"] for side in (5, 3))
    kernels = []
    for channel in seven[:, 0]:
        five = (to_five @ channel[1:6, 1:6].reshape(25)).reshape(5, 5)
        kernels.append((to_three @ five[1:4, 1:4].reshape(9)).reshape(3, 3))
    torch.testing.assert_close(found["features.3.block.1.0.weight"][:, 0], torch.stack(kernels))
    assert to_five.shape == (25, 25)
    assert to_three.shape == (9, 9)


def test_gradients_reach_the_shared_weights_of_the_part_alone(network: ElasticNetwork) -> None:
    at = point(network, stage2_repeats=1, stage2_kernel=5)
    network(torch.randn(4, 1, 8, 8), at).sum().backward()
    own = dict(network.largest.named_parameters())
    assert own["features.4.block.0.0.weight"].grad is None
    depthwise = own["features.2.block.1.0.weight"].grad
    assert depthwise is not None
    rim = depthwise.clone()
    rim[:, :, 1:6, 1:6] = 0
    assert not rim.any()
    assert depthwise[:, :, 1:6, 1:6].any()


def test_a_step_of_the_sandwich_is_the_sum_of_its_networks_run_alone(
    network: ElasticNetwork,
) -> None:
    """Yu and Huang 2019, sec. 3.2: the largest learns from labels, the others from its probabilities, which stay as they are."""
    pupil = Sandwich(network, recipe(), between=2)
    batch = next(iter(images().train.epoch(0)))
    points = pupil.points(0)
    assert (points[0], points[-1]) == (network.biggest, network.smallest)
    assert len(points) == 4
    losses = pupil.gradients(batch, points)
    together = [p.grad for p in network.parameters()]
    teacher: Tensor | None = None
    total = torch.zeros(())
    for at, told in zip(points, losses, strict=True):
        x = network.sized(batch.images, at)
        ordinary = network.extract(at).train()(x)
        if teacher is None:
            expected = F.nll_loss(ordinary.log_softmax(1), batch.labels)
            teacher = ordinary.softmax(1).detach()
            total = total + F.cross_entropy(network(x, at), batch.labels)
        else:
            expected = -(teacher * ordinary.log_softmax(1)).sum(1).mean()
            total = total - (teacher * network(x, at).log_softmax(1)).sum(1).mean()
        assert told == pytest.approx(expected.item(), rel=1e-5)
    alone = torch.autograd.grad(total, list(network.parameters()), materialize_grads=True)
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(
            torch.zeros_like(other) if one is None else one, other, rtol=1e-3, atol=1e-5
        )


def test_without_the_ends_all_networks_of_a_step_are_drawn_and_learn_from_labels(
    network: ElasticNetwork,
) -> None:
    pupil = Sandwich(network, recipe(), between=3, ends=False)
    points = pupil.points(5)
    assert points == Sandwich(network, recipe(), between=3).points(5)[1:-1]
    batch = next(iter(images().train.epoch(0)))
    for at, told in zip(points, pupil.gradients(batch, points), strict=True):
        ordinary = network.extract(at).train()(network.sized(batch.images, at))
        expected = F.nll_loss(ordinary.log_softmax(1), batch.labels)
        assert told == pytest.approx(expected.item(), rel=1e-5)


def test_calibration_is_the_mean_of_the_batches_statistics(network: ElasticNetwork) -> None:
    ordinary = network.extract(network.smallest)
    side = network.space.input_shape(network.smallest)[2]
    batches = [torch.randn(6, 1, side, side) + i for i in range(3)]
    calibrate(ordinary, batches)
    features = ordinary.get_submodule("features.0")
    first, norm = features.get_submodule("0"), features.get_submodule("1")
    maps = [first(x) for x in batches]
    mean = torch.stack([m.mean((0, 2, 3)) for m in maps]).mean(0)
    var = torch.stack([m.var((0, 2, 3)) for m in maps]).mean(0)
    torch.testing.assert_close(norm.get_buffer("running_mean"), mean)
    torch.testing.assert_close(norm.get_buffer("running_var"), var)
    assert not ordinary.training
    assert isinstance(norm, torch.nn.BatchNorm2d)
    assert norm.momentum == 0.1


def test_a_space_whose_networks_are_no_parts_of_the_largest_is_refused() -> None:
    """With an expansion of one half the smaller network has a convolution that the larger has not."""
    stages = (MobileStage(channels=(16,), expansion=(0.5, 1.0)),)
    settings = {"stem_channels": 32, "num_classes": 10}
    with pytest.raises(UsageError, match="is no part of the largest"):
        ElasticNetwork(MobileSpace("odd", stages, resolution=(16,), settings=settings))
