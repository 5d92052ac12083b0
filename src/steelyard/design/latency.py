"""`Clock`: how long networks take on a device, by the best means there are, and which these are.

For ``cpu``, this machine: the calibrated predictor (`steelyard.measure.predictor`), where it was calibrated; else
measured; where the backend is missing, the roofline. For modelled devices: an accelerator's estimate, a processor's
roofline.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from steelyard.errors import InputError, UsageError
from steelyard.hardware.device import Accelerator, Roofline
from steelyard.hardware.energy_units import relative
from steelyard.hardware.estimate import estimate
from steelyard.hardware.registry import MEASURED
from steelyard.hardware.registry import device as find_device
from steelyard.hardware.roofline import roofline
from steelyard.measure.api import measure
from steelyard.measure.child import available_cores
from steelyard.measure.predictor.calibration import Calibration, check_machine, find_calibration
from steelyard.measure.predictor.prediction import predict
from steelyard.workload import Workload

Means = Literal["predicted", "measured", "estimated", "roofline"]

BUDGET_S = 0.5
"""Of samples, where a latency is measured."""

WORDS: dict[Means, str] = {
    "predicted": "predicted by this machine's calibration",
    "measured": "measured",
    "estimated": "estimated, each layer with its fastest mapping",
    "roofline": "by the roofline, which real programs do not reach",
}
"""The means in words."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Tells the latency of networks on one device, all by the same means.

    Attributes:
        device: its name.
        means: how.
        model: of a modelled device or a roofline.
        calibration: of this machine.
        backend: what runs the networks, on this machine.
    """

    device: str
    means: Means
    model: Accelerator | Roofline | None = None
    calibration: Calibration | None = None
    backend: str = "eager"

    def __str__(self) -> str:
        return f"latency on {self.device}: {WORDS[self.means]}"

    def seconds(self, source: str, load: Workload) -> float:
        """Of one inference.

        Args:
            source: the network as a SOURCE, which is what is measured.
            load: the network captured, which is what is predicted and estimated.

        Raises:
            BackendError: it cannot be measured.
            InputError: it does not fit the device.
        """
        if self.calibration is not None:
            return predict(load, self.calibration, load.batch).seconds
        if self.means == "measured":
            found = measure(source, backend=self.backend, batch=load.batch, budget_s=BUDGET_S)
            return found.median_s
        if isinstance(self.model, Accelerator):
            return estimate(load, self.model, objective="latency").latency_s
        return roofline(load, self.model or MEASURED).time_s


def clock(device: str = MEASURED, *, backend: str = "eager") -> Clock:
    """The clock of a device.

    Args:
        device: ``cpu`` for this machine, or a name of `steelyard devices`, or a YAML file.
        backend: that runs networks on this machine.

    Raises:
        UnknownNameError, FileFormatError: no such device.
        UsageError: another backend than `predict_latency` and `measure` know.
    """
    if device != MEASURED:
        model = find_device(device)
        means: Means = "estimated" if isinstance(model, Accelerator) else "roofline"
        return Clock(model.name, means, model)
    with suppress(UsageError, InputError):  # nothing calibrated, or on another machine
        found = find_calibration(backend, available_cores())
        check_machine(found)
        return Clock(device, "predicted", calibration=found, backend=backend)
    from steelyard.measure.backend import backend as named

    if not named(backend).missing():
        return Clock(device, "measured", backend=backend)
    return Clock(device, "roofline", find_device(MEASURED))


def energy_j(load: Workload, device: Accelerator) -> float:
    """Joules of one inference on an accelerator, each layer with the mapping of least energy.

    Raises:
        InputError: a layer fits no level of the device.
    """
    return estimate(load, device, objective="energy").energy_pj * 1e-12


def energy_device(name: str) -> Accelerator:
    """The accelerator of that name.

    Raises:
        UsageError: a device without energies, or with energies that are no joules.
        UnknownNameError: no such device.
    """
    found = find_device(name)
    if not isinstance(found, Accelerator) or relative(found):
        raise UsageError(
            f"{name} does not tell joules",
            expected="an accelerator with energies in pJ",
            hint="eyeriss",
        )
    return found
