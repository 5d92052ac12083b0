"""`with_zeros`: an estimate once its layers' zeros are gated, skipped or compressed away; `read_zeros`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from steelyard.errors import FileFormatError, InputError, UnknownNameError, UsageError
from steelyard.hardware.device import Accelerator
from steelyard.hardware.estimate_layers import dram_traffic
from steelyard.hardware.estimate_result import Estimate, LayerEstimate, add_up
from steelyard.hardware.sparsity import Densities, with_sparsity
from steelyard.hardware.zero_means import Sparsity


def with_zeros(
    result: Estimate, densities: Mapping[str, Densities], means: Sparsity | None = None
) -> Estimate:
    """The same mappings with zeros made use of; they stay those that are best without.

    Args:
        result: an estimate.
        densities: by layer, e.g. ``measure_sparsity(...).densities``; layers left out are dense.
        means: what the device makes of zeros; None: what its file says (most: nothing).

    Raises:
        UnknownNameError: densities of a layer that the estimate has not.
        UsageError: its layers are fused.
    """
    if result.fusion is not None:
        raise UsageError("zeros of fused layers", expected="an estimate without fuse=True")
    names = [layer.name for layer in result.layers]
    for name in densities:
        if name not in names:
            raise UnknownNameError("layer", name, names)
    chosen = result.device.zeros if means is None else means
    layers = tuple(
        _sparse(layer, result.device, densities[layer.name], chosen)
        if layer.name in densities and layer.parts
        else layer
        for layer in result.layers
    )
    note = f"zeros of {len(densities)} layers: {str(chosen) or 'this device makes nothing of them'}; mappings as without them"
    if chosen.skip:
        note += "; in utilisation and speed, skipped operations count as done"
    return replace(result, layers=layers, notes=(*result.notes, note))


def read_zeros(path: str | Path) -> dict[str, Densities]:
    """Densities by layer from the JSON of a `steelyard.measure.MeasuredSparsity`.

    Raises:
        FileFormatError: the file is missing or something else.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        if data["schema"] != "steelyard.sparsity/1":
            raise InputError(f"its schema is {data['schema']!r}")
        return {
            layer["name"]: Densities(
                *(1 - float(layer[f"{what}_zeros"]) for what in ("input", "weight", "output"))
            )
            for layer in data["layers"]
        }
    except (OSError, ValueError, KeyError, TypeError, RecursionError, InputError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)
        if isinstance(error, OSError):
            reason = error.strerror or reason
        raise FileFormatError(
            f"{path} holds no zeros of layers: {reason}",
            expected="the JSON of measure_sparsity(...).to_dict()",
            hint="steelyard sparsity NETWORK IMAGE ... -o zeros.json",
        ) from error


def _sparse(
    layer: LayerEstimate, device: Accelerator, densities: Densities, means: Sparsity
) -> LayerEstimate:
    parts = tuple(
        (
            problem,
            replace(found, evaluation=with_sparsity(found.evaluation, device, densities, means)),
        )
        for problem, found in layer.parts
    )
    costs = [found.evaluation for _, found in parts]
    cycles = sum(cost.cycles for cost in costs)
    return replace(
        layer,
        energy_pj=sum(cost.energy_pj for cost in costs),
        cycles=cycles,
        dram=dram_traffic(costs, device),
        utilization=layer.macs / (cycles * device.pes),
        parts=parts,
        levels=add_up(cost.energy_by_level() for cost in costs),
        operands=add_up(cost.energy_by_operand() for cost in costs),
    )
