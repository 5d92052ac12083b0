"""Fresh memory: the model of the heap against page faults that getrusage counted in real inferences, and by hand."""

import pytest
import torch
from torch import Tensor, nn

import steelyard as sy
from steelyard.measure.predictor.heap import LEAST, PAGE, fresh_bytes

COUNTED = {
    "vgg11": 6241, "xception": 25659, "efficientnet_b0": 2321, "mobilenet_v2": 3350, "densenet121": 4857,
    "resnet18": 1, "shufflenet_v2_x1_0": 1,
}  # fmt: skip
"""Pages (ru_minflt) that one inference in PyTorch faulted in: the median of three on Linux, glibc 2.36, two threads."""


@pytest.mark.parametrize("network", COUNTED)
def test_networks_fault_in_as_many_pages_as_the_system_counted(network: str) -> None:
    pages = sum(fresh_bytes(sy.capture(network))) / PAGE
    assert pages == pytest.approx(COUNTED[network], rel=0.35, abs=100)


class _Chain(nn.Module):
    """Each output is as large as the input; at most two are alive."""

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(6):
            x = torch.tanh(x)
        return x


def test_two_blocks_in_turn_stay_within_what_the_heap_keeps() -> None:
    load = sy.capture(_Chain(), input_shape=(1, 16, 128, 128))
    assert sum(fresh_bytes(load)) == 0


class _Fan(nn.Module):
    """Six outputs are alive at once."""

    def forward(self, x: Tensor) -> Tensor:
        parts = [torch.tanh(x) for _ in range(6)]
        return torch.stack([part.mean() for part in parts])


def test_many_blocks_at_once_are_given_back_and_come_anew() -> None:
    size = 16 * 128 * 128 * 4
    fresh = fresh_bytes(sy.capture(_Fan(), input_shape=(1, 16, 128, 128)))
    assert sum(fresh) == pytest.approx(
        6 * size, abs=2 * size
    )  # all but what the heap keeps at its end
    assert sum(fresh_bytes(sy.capture(_Fan(), input_shape=(1, 16, 128, 128)), floor=8 * size)) == 0
    assert size > LEAST
