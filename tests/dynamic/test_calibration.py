"""Temperatures beside scipy's minimum, and calibration errors beside those of `steelyard.train`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from steelyard.dynamic.calibration import (
    calibrate_exits,
    expected_error,
    fit_temperatures,
    mean_loss,
)
from steelyard.dynamic.exit_outputs import ExitOutputs, softmax
from steelyard.errors import UsageError
from steelyard.train.calibration import calibration

Made = Callable[..., ExitOutputs]


@pytest.mark.parametrize("heat", [0.3, 1.0, 4.0])
def test_temperatures_are_scipys(heat: float, made: Made) -> None:
    outputs = made(heat=heat)
    for logits, found in zip(outputs.logits, fit_temperatures(outputs), strict=True):
        values, labels = torch.from_numpy(logits), torch.from_numpy(outputs.labels)
        theirs = minimize_scalar(
            lambda t, values=values, labels=labels: float(
                torch.nn.functional.cross_entropy(values / np.exp(t), labels)
            ),
            bounds=(-4, 4), method="bounded", options={"xatol": 1e-9},
        )  # fmt: skip
        assert found == pytest.approx(np.exp(theirs.x), rel=1e-5)


def test_loss_is_torchs(made: Made) -> None:
    outputs = made(heat=50)
    theirs = torch.nn.functional.cross_entropy(
        torch.from_numpy(outputs.logits[1]), torch.from_numpy(outputs.labels)
    )
    assert mean_loss(outputs.logits[1], outputs.labels) == pytest.approx(float(theirs))


def test_calibration_error_is_that_of_evaluations(made: Made) -> None:
    outputs = made(heat=3)
    confidences = softmax(outputs.logits[2]).max(-1)
    theirs = calibration(torch.from_numpy(confidences), torch.from_numpy(outputs.correct[2]))
    assert expected_error(confidences, outputs.correct[2]) == pytest.approx(theirs.expected_error)


def test_too_sure_exits_are_mended(made: Made) -> None:
    found = calibrate_exits(made(samples=3000, heat=8), made(samples=3000, heat=8, seed=1))
    # noise of variance 1 around s at the label: the likelihood's logits are s times what is drawn, not 8 times
    assert found.temperatures == pytest.approx([8 / s for s in (1.5, 2, 2.5, 3)], rel=0.06)
    assert all(b < a / 3 for a, b in zip(found.error_before, found.error_after, strict=True))
    assert all(b < a for a, b in zip(found.loss_before, found.loss_after, strict=True))
    assert "Calibration of exits" in str(found)
    assert found.to_dict()["schema"] == "steelyard.exit-calibration/1"


def test_an_exit_that_is_never_wrong_has_a_bound() -> None:
    outputs = ExitOutputs.of([10 * np.eye(3)], [0, 1, 2])
    assert fit_temperatures(outputs) == pytest.approx((0.01,))


def test_other_exits(made: Made) -> None:
    with pytest.raises(UsageError, match="3 exits of the held-out images, 4 of the others"):
        calibrate_exits(made(), made(exits=3))
