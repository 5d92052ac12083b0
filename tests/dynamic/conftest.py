"""Outputs of exits that grow better, drawn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from steelyard.dynamic.exit_outputs import ExitOutputs

Made = Callable[..., ExitOutputs]


@pytest.fixture
def made() -> Made:
    return make


def make(
    *, exits: int = 4, samples: int = 400, classes: int = 5, seed: int = 0, heat: float = 1.0
) -> ExitOutputs:
    """Exits whose logits favour the label more and more, with noise that is partly that of the image."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=samples)
    shared = rng.normal(size=(samples, classes))
    several = []
    for stage in range(exits):
        noise = 0.8 * shared + 0.6 * rng.normal(size=(samples, classes))
        favour = np.eye(classes)[labels] * (1.5 + 1.5 * stage / max(1, exits - 1))
        several.append(heat * (favour + noise))
    return ExitOutputs.of(several, labels)
