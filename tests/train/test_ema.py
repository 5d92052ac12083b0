"""The moving average beside PyTorch's, its warm-up, and what is copied instead."""

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from steelyard.layers.learned_group_conv import LearnedGroupConv2d
from steelyard.train.ema import Ema, decay_at
from steelyard.train.recipe import EmaPart


def net() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))


def test_it_is_pytorchs_average() -> None:
    network = net()
    ours = Ema(network, EmaPart(0.9, warmup=False))
    theirs = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    theirs.update_parameters(network)  # its first call copies
    for step in range(5):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter))
        ours.update(step)
        theirs.update_parameters(network)
    for one, other in zip(ours.network.parameters(), theirs.module.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_statistics_are_averaged_and_counters_and_masks_copied() -> None:
    network = nn.Sequential(net(), LearnedGroupConv2d(4, 4, groups=2))
    average = Ema(network, EmaPart(0.5, warmup=False))
    statistics, mask = network[0][1], network[1].mask
    statistics.running_mean.fill_(4)
    statistics.num_batches_tracked.fill_(7)
    mask[0, :2] = 0
    average.update(0)
    copy = average.network[0][1]
    assert copy.running_mean.tolist() == [2.0] * 4
    assert copy.num_batches_tracked.item() == 7
    assert torch.equal(average.network[1].mask, mask)


def test_the_decay_warms_up_as_tensorflows() -> None:
    part = EmaPart(0.9)
    assert [decay_at(part, step) for step in (0, 8, 79, 81, 1000)] == [0.1, 0.5, 80 / 89, 0.9, 0.9]
    assert decay_at(EmaPart(0.9, warmup=False), 0) == 0.9


def test_the_average_needs_no_gradients_and_is_in_eval_mode() -> None:
    average = Ema(net(), EmaPart(0.9))
    assert not average.network.training
    assert not any(parameter.requires_grad for parameter in average.network.parameters())
