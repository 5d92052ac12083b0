"""ZigZag (`zigzag-dse` on PyPI) beside us: its search on our layers and devices, and its cost of our mappings.

ZigZag is driven by its own stages, the ones that its ``get_hardware_performance_zigzag`` strings together,
without those that write results to disk.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from zigzag.datatypes import LayerDim, LayerOperand
from zigzag.mapping.temporal_mapping import TemporalMapping, TemporalMappingType
from zigzag.stages.evaluation.cost_model_evaluation import CostModelStage
from zigzag.stages.main import MainStage
from zigzag.stages.mapping.spatial_mapping_generation import SpatialMappingGeneratorStage
from zigzag.stages.mapping.temporal_mapping_generator_stage import TemporalMappingGeneratorStage
from zigzag.stages.parser.accelerator_parser import AcceleratorParserStage
from zigzag.stages.parser.workload_parser import WorkloadParserStage
from zigzag.stages.results.reduce_stages import MinimalEnergyStage
from zigzag.stages.stage import Stage
from zigzag.stages.workload_iterator import WorkloadStage

from steelyard.hardware.device import OPERANDS, Accelerator, Array, Memory
from steelyard.hardware.export import zigzag_accelerator, zigzag_mapping, zigzag_workload
from steelyard.hardware.mapping import Mapping
from steelyard.workload import Layer, LoopNest, Workload

DIMS = {"N": "B", "G": "G", "M": "K", "C": "C", "P": "OY", "Q": "OX", "R": "FY", "S": "FX"}

Unrolled = dict[str, list[str]]
"""ZigZag's axes and the loops along them, ``{"D1": ["K, 16"]}``."""


class GivenMapping(Stage):
    """Takes the place of ZigZag's search: one temporal mapping, as it stands."""

    def __init__(self, list_of_callables: list[Any], *, layer: Any, given: Any, **kwargs: Any):
        super().__init__(list_of_callables, **kwargs)
        self.layer, self.given = layer, given

    def run(self) -> Iterator[tuple[Any, Any]]:
        loops = {
            LayerOperand(operand): [[(LayerDim(dim), n) for dim, n in level] for level in levels]
            for operand, levels in self.given.items()
        }
        mapping = TemporalMapping(loops, self.layer, TemporalMappingType.UNEVEN)
        stage = self.list_of_callables[0](
            self.list_of_callables[1:], layer=self.layer, temporal_mapping=mapping, **self.kwargs
        )
        yield from stage.run()


class Count(Stage):
    """Counts the mappings that pass."""

    def __init__(self, list_of_callables: list[Any], *, counter: list[int], **kwargs: Any):
        super().__init__(list_of_callables, **kwargs)
        self.counter = counter

    def run(self) -> Iterator[tuple[Any, Any]]:
        self.counter[0] += 1
        yield from self.list_of_callables[0](self.list_of_callables[1:], **self.kwargs).run()


@dataclass(frozen=True)
class Answer:
    """What ZigZag found: its ``CostModelEvaluation``, mappings evaluated, CPU and wall seconds."""

    found: Any
    mappings: int
    cpu_s: float
    wall_s: float


def search(
    nest: LoopNest,
    device: Accelerator,
    *,
    lpf_limit: int,
    even: bool,
    unrolled: Unrolled | None = None,
) -> Answer:
    """ZigZag's own answer.

    Args:
        nest, device: the problem.
        lpf_limit: into how many factors it cuts the loops, at least one a loop.
        even: in one memory the tiles of all operands end at the same loop, as with us.
        unrolled: None: it tries its usual three unrollings.
    """
    kind = TemporalMappingType.EVEN if even else TemporalMappingType.UNEVEN
    return _run(
        nest, device, unrolled, TemporalMappingGeneratorStage,
        loma_lpf_limit=lpf_limit, loma_show_progress_bar=False, nb_mappings_generated=3,
        temporal_mapping_type=kind,
    )  # fmt: skip


def cost(nest: LoopNest, device: Accelerator, mapping: Mapping) -> Any:
    """ZigZag's ``CostModelEvaluation`` of a mapping of ours."""
    given: dict[str, list[list[tuple[str, int]]]] = {}
    loops = list(enumerate(w for own in mapping.loops for w in own))
    places = {level.name: place for place, level in enumerate(device.levels)}
    for operand in OPERANDS:
        # the loops of a memory: those in its tile and not in the tile of the next one inside that keeps it
        starts = [mapping.start(device, operand, places[n]) for n in mapping.keeps(operand)]
        inside = len(loops)
        given[operand] = []
        for start in [*reversed(starts[1:]), 0]:
            own = [w for k, w in reversed(loops) if start <= k < inside]
            found = [(DIMS[w.dim], w.bound) for w in own if w.bound > 1 and not w.axis]
            given[operand].append(found)
            inside = start
    unrolled = {
        f"D{k}": [
            f"{DIMS[w.dim]}, {w.bound}"
            for loops in mapping.loops
            for w in loops
            if w.axis == axis.name and w.bound > 1
        ]
        or ["K, 1"]
        for k, axis in enumerate((a for array in device.arrays for a in array.axes), 1)
    }
    used = kept(device, mapping)
    return _run(nest, used, unrolled, GivenMapping, given=given, nb_mappings_generated=1).found


def kept(device: Accelerator, mapping: Mapping) -> Accelerator:
    """The device without what a mapping bypasses: ZigZag has no bypass but another device."""
    levels: list[Memory | Array] = []
    for level in device.levels:
        if isinstance(level, Array):
            levels.append(level)
        elif held := tuple(o for o in OPERANDS if level.name in mapping.keeps(o)):
            levels.append(replace(level, holds=held))
    return replace(device, levels=tuple(levels))


def _run(
    nest: LoopNest,
    device: Accelerator,
    unrolled: Unrolled | None,
    mapper: type[Stage],
    **options: Any,
) -> Answer:
    load = Workload("one", (Layer("layer", "conv", "aten.conv2d", nests=(nest,)),), ())
    (default,) = yaml.safe_load(zigzag_mapping(device))
    if unrolled is not None:
        default["spatial_mapping"] = unrolled
        del default["spatial_mapping_hint"]
    texts = {
        "workload": zigzag_workload(load, bits=device.bits),
        "accelerator": zigzag_accelerator(device),
        "mapping": yaml.safe_dump([default]),
    }
    counter = [0]
    logging.disable(logging.CRITICAL)  # it reports each file, layer and unrolling
    with tempfile.TemporaryDirectory() as folder:
        files = {kind: str(Path(folder, f"{kind}.yaml")) for kind in texts}
        for kind, text in texts.items():
            Path(files[kind]).write_text(text)
        stages = [
            WorkloadParserStage, AcceleratorParserStage, WorkloadStage, MinimalEnergyStage,
            SpatialMappingGeneratorStage, MinimalEnergyStage, mapper, Count, CostModelStage,
        ]  # fmt: skip
        # units hold nothing: each operation reads its operands, as we count
        main = MainStage(
            stages, counter=counter, access_same_data_considered_as_no_access=False, **files, **options
        )  # fmt: skip
        cpu, wall = time.process_time(), time.perf_counter()
        ((found, _),) = main.run()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    logging.disable(logging.NOTSET)
    return Answer(found, counter[0], cpu, wall)
