"""What is remembered from one capture to the next: operators' answers, never anything of a network."""

from __future__ import annotations

import gc
import weakref

import torch
from torch import Tensor, nn

import steelyard as sy
from steelyard.capture.engines import shapes
from steelyard.capture.rules import RuleTable, default_rules


def table() -> RuleTable:
    return default_rules().with_rules({})


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.scale = nn.Parameter(torch.ones(4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (self.conv(x) * self.scale).permute(0, 2, 3, 1).cumsum(1)


def test_a_second_capture_finds_what_the_first_learnt_and_says_the_same() -> None:
    rules = table()
    first = sy.capture(Net(), input_shape=(1, 3, 8, 8), rules=rules)
    learnt = dict(rules.memory)
    second = sy.capture(Net(), input_shape=(1, 3, 8, 8), rules=rules)
    assert learnt
    assert rules.memory == learnt
    assert second == first
    assert second.digest == sy.capture(Net(), input_shape=(1, 3, 8, 8), method="meta").digest


def test_other_sizes_types_and_settings_are_not_mixed_up() -> None:
    rules = table()
    for size in (8, 9, 8):
        for dtype in (torch.float32, torch.float16):
            net = Net().to(dtype)
            load = sy.capture(net, input_shape=(2, 3, size, size), rules=rules)
            assert load.macs == 2 * 4 * (size - 2) ** 2 * 27
            assert {t.dtype for t in load.tensors} == {str(dtype).removeprefix("torch.")}


def test_a_new_rule_counts_at_once() -> None:
    rules = table()
    before = sy.capture(Net(), input_shape=(1, 3, 8, 8), rules=rules)
    rules.register("aten.cumsum", lambda call: sy.Draft("reduce", ops=7))
    after = sy.capture(Net(), input_shape=(1, 3, 8, 8), rules=rules)
    assert [layer.ops for layer in after.layers if layer.op == "aten.cumsum"] == [7]
    assert before != after


def test_the_memory_is_bounded() -> None:
    rules = table()
    kept = shapes.REMEMBERED
    try:
        shapes.REMEMBERED = 5
        for size in range(3, 30):
            sy.capture(nn.ReLU(), input_shape=(1, size), rules=rules)
            assert len(rules.memory) <= 6
    finally:
        shapes.REMEMBERED = kept


def test_no_network_is_kept_alive() -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.add(x, Odd.number)

        number = 1.5

    for make in (Net, Odd):
        net = make()
        gone = weakref.ref(net)
        sy.capture(net, input_shape=(1, 3, 8, 8))
        del net
        gc.collect()
        assert gone() is None
