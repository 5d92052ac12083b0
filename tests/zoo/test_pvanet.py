"""PVANet against the multiply-accumulates that its prototxt file states block by block."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import steelyard as sy
from steelyard.errors import UsageError

STATED = {
    640: {
        "conv1": 240.84, "conv2_1": 283.44, "conv2_2": 250.68, "conv2_3": 250.68,
        "conv3_1": 283.44, "conv3_2": 250.68, "conv3_3": 250.68, "conv3_4": 250.68,
        "conv4_1": 395.47, "conv4_2": 328.29, "conv4_3": 328.29, "conv4_4": 328.29,
        "conv5_1": 229.38, "conv5_2": 167.12, "conv5_3": 167.12, "conv5_4": 167.12,
    },
    224: {
        "conv1": 29.50, "conv2_1": 34.72, "conv2_2": 30.71, "conv2_3": 30.71,
        "conv3_1": 34.72, "conv3_2": 30.71, "conv3_3": 30.71, "conv3_4": 30.71,
        "conv4_1": 48.44, "conv4_2": 40.22, "conv4_3": 40.22, "conv4_4": 40.22,
        "conv5_1": 28.10, "conv5_2": 20.47, "conv5_3": 20.47, "conv5_4": 20.47,
        "fc6": 77.07, "fc7": 16.78,
    },
}  # fmt: skip
"""Comments of pva9.1_preAct_train.prototxt, in millions, by the side of the image."""


@pytest.mark.parametrize("side", STATED)
def test_blocks_cost_what_the_prototxt_states(side: int) -> None:
    macs: dict[str, int] = {}

    def counter(block: str) -> object:
        def count(module: nn.Module, _: object, out: Tensor) -> None:
            assert isinstance(module, (nn.Conv2d, nn.Linear))
            macs[block] = macs.get(block, 0) + out.numel() * module.weight[0].numel()

        return count

    with torch.device("meta"):
        network = sy.create("pvanet", resolution=side).eval()
    for name, module in network.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(counter(name.partition(".")[0]))  # type: ignore[arg-type]
    network(torch.empty(1, 3, side, side, device="meta"))
    stated = STATED[side]
    assert {block: round(macs[block] / 1e6, 2) for block in stated} == stated


def test_as_a_feature_extractor() -> None:
    """4.17 GMAC at 640x640, 4,172,185,600 counted independently."""
    with torch.device("meta"):
        network = sy.create("pvanet", features_only=True, resolution=640).eval()
    load = sy.capture(network, input_shape=(1, 3, 640, 640))
    assert load.macs == 4_172_185_600
    assert load.unused_params == 0


def test_four_stages() -> None:
    with pytest.raises(UsageError, match="gives 2 stages"):
        sy.create("pvanet", blocks=(3, 4))
