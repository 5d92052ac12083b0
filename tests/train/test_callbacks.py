"""CondenseNet condenses as it is trained, and an MSDNet's exits are all trained."""

from typing import Any

import pytest
import torch

from steelyard.layers.condensation import condense
from steelyard.layers.learned_group_conv import LearnedGroupConv2d
from steelyard.train.api import train
from steelyard.train.callbacks import Callback, callbacks_of
from steelyard.train.recipe import recipe_from
from steelyard.train.toml import load_recipe
from steelyard.zoo.registry import create

Tables = dict[str, Any]


class Stages(Callback):
    """Notes how many inputs the first learned group has left."""

    def __init__(self) -> None:
        self.left: list[int] = []

    def before_step(self, network: Any, step: int, steps: int) -> None:
        layer = next(m for m in network.modules() if isinstance(m, LearnedGroupConv2d))
        self.left.append(int(layer.mask[0].sum()))


def test_groups_condense_in_the_first_half_and_the_result_condenses(
    small: Tables, tmp_path: Any
) -> None:
    watch = Stages()
    run = train(recipe_from(small, "small"), run=tmp_path / "run", device="cpu", callbacks=[watch])
    # sec. 3.2: C - 1 = 3 stages of equal length in the first half of 24 steps
    assert watch.left == [16] * 4 + [12] * 4 + [8] * 4 + [4] * 12
    network = run.network("last")
    image = torch.randn(2, 1, 8, 8)
    torch.testing.assert_close(condense(network).eval()(image), network(image))


def test_only_networks_with_learned_groups_condense(small: Tables) -> None:
    small["network"] = {"name": "lenet5"}
    assert callbacks_of(recipe_from(small, "x"), create("lenet5")) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "at_least"), [("digits_lenet", 98), ("digits_condensenet", 95), ("digits_msdnet", 95)]
)
def test_the_recipes_on_digits_reach_what_they_say(
    name: str, at_least: float, tmp_path: Any
) -> None:
    run = train(load_recipe(name), run=tmp_path / "run", device="cpu")
    last = run.metrics("epoch")[-1]
    assert last["test_top1"] >= at_least
    if "msdnet" in name:
        assert len(last["outputs_top1"]) == 4 and min(last["outputs_top1"]) > 80
