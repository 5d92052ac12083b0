"""`BudgetSettings`: how much an image may cost, and how a network with exits is to keep to it; costs of its exits by unit."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import fsum
from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from steelyard.dynamic.budget import Distribution, solve_thresholds
from steelyard.dynamic.calibration import fit_temperatures
from steelyard.dynamic.engine import Stages
from steelyard.dynamic.exit_costs import ExitCosts
from steelyard.dynamic.exit_outputs import ExitOutputs
from steelyard.dynamic.learnt import Learnt, fit_learnt
from steelyard.dynamic.policies import PLAIN, named_policy
from steelyard.dynamic.thresholds import Thresholds
from steelyard.dynamic.torch_stages import TorchStages
from steelyard.errors import UnknownNameError, UsageError
from steelyard.units import parse_count

__all__ = ["BACKENDS", "POLICIES", "Backend", "BudgetSettings", "parse_budget", "stages_of"]

Backend = Literal["eager", "compile", "onnxruntime"]

BACKENDS: tuple[Backend, ...] = ("eager", "compile", "onnxruntime")
POLICIES = (*PLAIN, Learnt.name)

_PREFIX = {"": 1.0, "m": 1e-3, "u": 1e-6, "µ": 1e-6, "n": 1e-9}
_QUANTITY = re.compile(
    r"\s*((?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?)\s*([munµ]?)(s|J)\s*"
)


@dataclass(frozen=True, slots=True)
class BudgetSettings:
    """What an image may cost on average, and how images are told apart.

    Attributes:
        budget: ``30M`` (MACs), ``5ms`` (measured, one image at a time) or ``2mJ`` (on an accelerator).
        policy: ``confidence``, ``margin``, ``entropy``, ``patience`` or ``learnt``, see `steelyard.dynamic.policies`.
        distribution: of the images over the exits, see `steelyard.dynamic.budget.solve_thresholds`.
        calibrate: divide each exit's logits by a temperature that is fitted first.
        accelerator: whose energy a budget in joules means, a name of `steelyard.list_devices` or a YAML file.
        backend: what runs the stages: ``eager``, ``compile`` or ``onnxruntime``.
        time_s: seconds of samples for a budget in seconds.

    Raises:
        UsageError: not a budget, no such backend, or joules without an accelerator.
        UnknownNameError: no such policy.
    """

    budget: str
    policy: str = "confidence"
    distribution: Distribution = "geometric"
    calibrate: bool = False
    accelerator: str = ""
    backend: Backend = "eager"
    time_s: float = 2.0

    def __post_init__(self) -> None:
        if self.policy not in POLICIES:
            raise UnknownNameError("policy", self.policy, POLICIES)
        if self.backend not in BACKENDS:
            raise UsageError(f"backend={self.backend!r}", expected=", ".join(BACKENDS))
        if self.unit == "J" and not self.accelerator:
            raise UsageError(
                f"a budget of {self.budget} without an accelerator",
                expected="the accelerator whose energy is meant",
                hint="--device eyeriss, or accelerator='eyeriss'",
            )
        if self.unit != "J" and self.accelerator:
            raise UsageError(
                f"an accelerator for a budget of {self.budget}", expected="a budget such as 2mJ"
            )

    @property
    def amount(self) -> float:
        """The budget as a number, in its unit."""
        return parse_budget(self.budget)[0]

    @property
    def unit(self) -> str:
        """``MACs``, ``s`` or ``J``."""
        return parse_budget(self.budget)[1]

    def solve(
        self, validation: ExitOutputs, costs: Sequence[float], fingerprint: str
    ) -> Thresholds:
        """The thresholds for this budget.

        Args:
            validation: images that the result is not judged by.
            costs: of leaving at each exit, in the budget's unit.
            fingerprint: of the network.

        Raises:
            UsageError: a budget below the first exit or above the last, or too few exits.
        """
        heat = fit_temperatures(validation) if self.calibrate else ()
        policy = (
            fit_learnt(validation, temperatures=heat)
            if self.policy == Learnt.name
            else named_policy(self.policy)
        )
        return solve_thresholds(
            policy, validation, costs, self.amount,
            distribution=self.distribution, temperatures=heat, model=fingerprint, unit=self.unit,
        )  # fmt: skip

    def costs(self, weighed: ExitCosts, stages: Stages, image: Tensor) -> tuple[float, ...]:
        """Of leaving at each exit, in the budget's unit.

        Args:
            weighed: what capturing the network found.
            stages: what is to run.
            image: (1, C, H, W), for a time.
        """
        if self.unit == "MACs":
            return tuple(float(one) for one in weighed.macs)
        if self.unit == "J":
            return joules(weighed, self.accelerator)
        from steelyard.measure.stages.exit_times import exit_times

        timings = exit_times(stages, image, budget_s=self.time_s)
        return tuple(one.median_s for one in timings)


def parse_budget(text: str) -> tuple[float, str]:
    """The amount and its unit.

    >>> parse_budget("30M"), parse_budget("5ms"), parse_budget("2mJ")
    ((30000000.0, 'MACs'), (0.005, 's'), (0.002, 'J'))

    Raises:
        UsageError: no budget, or none above 0.
    """
    found = _QUANTITY.fullmatch(text)
    try:
        amount, unit = (
            (float(found[1]) * _PREFIX[found[2]], found[3])
            if found
            else (float(parse_count(text)), "MACs")
        )
    except UsageError:
        amount, unit = 0.0, ""
    if not amount > 0:
        raise UsageError(
            f"{text!r} is no budget",
            expected="MACs such as 30M, seconds such as 5ms or joules such as 2mJ",
        )
    return amount, unit


@contextmanager
def stages_of(
    network: nn.Module, backend: Backend, *, image: Tensor, fingerprint: str
) -> Iterator[Stages]:
    """The network as the backend runs it, stage by stage.

    Args:
        network: with exits, in eval mode.
        backend: what computes.
        image: (1, C, H, W).
        fingerprint: of its weights.

    Raises:
        BackendError, MissingExtraError: as `steelyard.measure.stages.export.export_stages`.
    """
    if backend != "onnxruntime":
        yield TorchStages(network, compiled=backend == "compile", fingerprint=fingerprint)
        return
    from steelyard.measure.stages.export import export_stages
    from steelyard.measure.stages.onnx_stages import OnnxStages

    with tempfile.TemporaryDirectory(prefix="steelyard-", ignore_cleanup_errors=True) as folder:
        place = Path(folder) / "stages"
        export_stages(network, place, input_shape=tuple(image.shape[1:]), fingerprint=fingerprint)
        yield OnnxStages(place)


def joules(weighed: ExitCosts, accelerator: str) -> tuple[float, ...]:
    """Energy from the images to each exit, each layer in its best mapping.

    Raises:
        SteelyardError: as `steelyard.estimate`.
    """
    from steelyard.hardware.estimate import estimate

    # what runs until an exit is the beginning of the whole network, layer by layer
    layers = [one.energy_pj * 1e-12 for one in estimate(weighed.workloads[-1], accelerator).layers]
    return tuple(fsum(layers[: len(load.layers)]) for load in weighed.workloads)
