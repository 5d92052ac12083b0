"""How fused groups are printed: a row a group, with what it takes on the chip and spares outside."""

from __future__ import annotations

from collections.abc import Mapping

from steelyard.hardware.device import Accelerator, Operand
from steelyard.hardware.fusion_result import FusedGroup, Fusion
from steelyard.report.table import Cell, Column, Table

_HALO = {"whole": "whole maps", "keep": "kept", "recompute": "recomputed"}


def fusion_table(fusion: Fusion, device: Accelerator) -> Table:
    """The groups of an estimate; the network in the last line."""
    columns = (
        Column("layers", "layers"),
        Column("strips", "strips", "count"),
        Column("halo", "rows shared by strips", rank=1),
        Column("room_bytes", "on chip", "bytes"),
        Column("dram_before", "DRAM apart", "bytes"),
        Column("dram_after", "fused", "bytes"),
        Column("dram_saved", "saved", "share"),
        Column("energy_saved", "energy saved", "share"),
    )
    rows = tuple(_row(group, device) for group in fusion.groups)
    before, after = _bytes(fusion.before, device), _bytes(fusion.after, device)
    saved = _saved(before, after), _saved(*fusion.energy_pj)
    total: tuple[Cell, ...] = ("network", None, None, None, before, after, *saved)
    return Table("fused layers", columns, rows, total=total, notes=_notes(fusion))


def _row(group: FusedGroup, device: Accelerator) -> tuple[Cell, ...]:
    before, after = _bytes(group.before, device), _bytes(group.after, device)
    kept = ", weights stay" if group.weights_kept else ""
    return (
        f"{group.layers[0]} .. {group.layers[-1]}",
        group.strips,
        _HALO[group.halo] + kept,
        group.room_bytes,
        before,
        after,
        _saved(before, after),
        _saved(*group.energy_pj),
    )


def _notes(fusion: Fusion) -> tuple[str, ...]:
    if not fusion.memory:
        return ("no memory on the chip exists once and holds inputs and outputs: nothing is fused",)
    if not fusion.groups:
        return (f"no maps that stay in {fusion.memory} spare anything",)
    return (
        f"what is handed on inside a group stays in {fusion.memory}",
        "the cut is the best one for the energies that groups are estimated to need; those it has are mapped, others "
        "were not",
    )


def _bytes(moved: Mapping[Operand, int], device: Accelerator) -> float:
    return sum(elements * device.bits[operand] / 8 for operand, elements in moved.items())


def _saved(before: float, after: float) -> float:
    return 1 - after / before if before else 0.0
