"""Recipes: what is refused, and that a recipe survives being written down."""

import tomllib
from typing import Any

import pytest

from steelyard.errors import UnknownNameError, UsageError
from steelyard.train.recipe import Recipe, differences, recipe_from

BASE: dict[str, Any] = {
    "network": {"name": "lenet5_dense", "config": {"num_classes": 10}},
    "data": {"source": "digits"},
}


def made(**changes: Any) -> Recipe:
    return recipe_from({**BASE, **changes}, "mine")


def test_a_recipe_comes_back_from_its_toml() -> None:
    recipe = made(
        epochs=3,
        stochastic_depth=None,
        schedule={"kind": "step", "milestones": [1, 2.5]},
        data={"source": "digits", "transforms": ["resize:32", 'a "quoted" \x7f\n text']},
        ema={"decay": 0.999},
    )
    again = recipe_from(tomllib.loads(recipe.to_toml()), "another name")
    assert again == recipe
    assert again.to_dict() == recipe.to_dict()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"optimiser": {}}, "try: optimizer"),
        ({"optimizer": {"momentm": 0.9}}, "try: momentum"),
        ({"optimizer": {"lr": "fast"}}, "lr='fast' is not possible"),
        ({"optimizer": {"lr": -0.1}}, "at least 0"),
        ({"optimizer": {"nesterov": 1}}, "expected: bool"),
        ({"optimizer": {"kind": "adam"}}, "'sgd', 'adamw' or 'rmsprop'"),
        ({"optimizer": {"momentum": 0}}, "try: optimizer.nesterov = false"),
        ({"optimizer": 3}, "a table \\[optimizer\\]"),
        ({"epochs": 0}, "at least 1"),
        ({"epochs": 2.5}, "expected: int"),
        ({"accumulate": 129}, "at most data.batch"),
        ({"schedule": {"warmup_epochs": 1}}, "below epochs"),
        ({"schedule": {"milestones": [3, 2]}}, "rising order"),
        ({"network": {"config": {}}}, "has no network.name"),
        ({"network": {"name": "lenet5", "config": 3}}, "expected: a table"),
        ({"data": {}}, "has no data.source"),
        ({"stochastic_depth": 0.2}, "lenet5_dense, which has no stochastic depth"),
    ],
)
def test_what_is_wrong_is_told(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        made(**changes)


def test_the_network_and_its_settings_are_looked_up() -> None:
    with pytest.raises(UnknownNameError, match="nearest: lenet5"):
        made(network={"name": "lenet"})
    with pytest.raises(UsageError, match="no setting 'classes'"):
        made(network={"name": "lenet5", "config": {"classes": 10}})


def test_stochastic_depth_is_the_networks_own_setting() -> None:
    recipe = made(network={"name": "efficientnet_b0"}, stochastic_depth=0.1)
    assert recipe.network.settings(recipe.stochastic_depth) == {"drop_path": 0.1}
    with pytest.raises(UsageError, match="one of them"):
        made(
            network={"name": "efficientnet_b0", "config": {"drop_path": 0.2}}, stochastic_depth=0.1
        )


def test_differences_name_what_changed_and_not_what_is_only_said() -> None:
    old, new = (
        made(seed=1, about="x"),
        made(seed=2, optimizer={"lr": 0.2}, data={"source": "digits", "workers": 3}),
    )
    assert differences(old, new) == [
        "optimizer.lr: 0.1 before, 0.2 now",
        "seed: 1 before, 2 now",
    ]
    assert differences(old, old) == []
