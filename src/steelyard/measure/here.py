"""`measured_here`: MACs against latency of all networks that were ever measured on this machine."""

from __future__ import annotations

from pathlib import Path

from steelyard.errors import InputError
from steelyard.measure.against_macs import FEWEST, AgainstMacs, against_macs
from steelyard.measure.environment import environment, machine_key
from steelyard.measure.store import Past, measurement_history


def measured_here(path: Path | None = None) -> tuple[AgainstMacs, ...]:
    """One result for each setting, batch and number of threads with enough networks; the newest of each network counts.

    Args:
        path: of the store; None: the usual place.

    Raises:
        InputError: too few networks were measured in one setting.
    """
    here = machine_key(environment())
    newest: dict[tuple[str, str, int, int], Past] = {}
    for row in measurement_history(path=path).rows:
        if row.machine == here:
            newest[row.network, row.setting, row.batch, row.threads] = row
    found = against_macs(tuple(newest.values()))
    if not found:
        count = len({row.network for row in newest.values()})
        raise InputError(
            f"networks measured on this machine: {count}",
            expected=f"{FEWEST} at least in one setting",
            hint="steelyard measure resnet18 mobilenet_v2 squeezenet1_1 shufflenet_v2_x1_0 googlenet",
        )
    return found
