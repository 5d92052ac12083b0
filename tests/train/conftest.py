"""A small recipe in which everything happens: dropout, batch normalisation, masks, averages, parts of batches."""

import copy
from typing import Any

import pytest

SMALL: dict[str, Any] = {
    "seed": 3,
    "epochs": 3,
    "log_every": 5,
    "accumulate": 2,
    "clip": 5.0,
    "network": {
        "name": "condensenet50_cifar",
        "config": {
            "blocks": [1, 1],
            "growth": [8, 8],
            "in_channels": 1,
            "resolution": 8,
            "drop_rate": 0.1,
            "condensed": False,
        },
    },
    "data": {"source": "digits", "batch": 192, "transforms": ["crop:padding=1", "normalize"]},
    "optimizer": {"lr": 0.05},
    "loss": {"group_lasso": 1e-5},
    "ema": {"decay": 0.9},
}


@pytest.fixture(scope="session")
def small_tables() -> dict[str, Any]:
    """The tables of the recipe."""
    return SMALL


@pytest.fixture
def small(small_tables: dict[str, Any]) -> dict[str, Any]:
    """The same, to be changed at will."""
    return copy.deepcopy(small_tables)
