"""ZigZag maps layers onto every preset from our files, where it is installed; it needs no more than the files."""

import logging
import warnings

import pytest

from steelyard.hardware.device import Accelerator
from steelyard.hardware.export import zigzag_accelerator, zigzag_mapping, zigzag_workload
from steelyard.hardware.registry import device, list_devices
from steelyard.workload import Layer, LoopNest, Workload

LAYERS = {
    "3x3": LoopNest(
        N=1, G=1, M=64, C=64, out=(56, 56), kernel=(3, 3), input=(56, 56), stride=(1, 1),
        dilation=(1, 1), padding=((1, 1), (1, 1)),
    ),
    "1x1": LoopNest(
        N=1, G=1, M=64, C=256, out=(56, 56), kernel=(1, 1), input=(56, 56), stride=(1, 1),
        dilation=(1, 1), padding=((0, 0), (0, 0)),
    ),
    "depthwise": LoopNest(
        N=1, G=96, M=96, C=96, out=(56, 56), kernel=(3, 3), input=(112, 112), stride=(2, 2),
        dilation=(1, 1), padding=((1, 1), (1, 1)),
    ),
    "linear": LoopNest.linear(1, 2048, 1000),
}  # fmt: skip


def _accelerators():
    found = [name for name in list_devices() if name != "cpu"]
    return [name for name in found if isinstance(device(name), Accelerator)]


@pytest.mark.slow
@pytest.mark.parametrize("name", _accelerators())
def test_zigzag_maps_onto(name, tmp_path):
    pytest.importorskip("zigzag")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from zigzag.mapping.temporal_mapping import TemporalMappingType
        from zigzag.stages.evaluation.cost_model_evaluation import CostModelStage
        from zigzag.stages.main import MainStage
        from zigzag.stages.mapping.spatial_mapping_generation import SpatialMappingGeneratorStage
        from zigzag.stages.mapping.temporal_mapping_generator_stage import (
            TemporalMappingGeneratorStage,
        )
        from zigzag.stages.parser.accelerator_parser import AcceleratorParserStage
        from zigzag.stages.parser.workload_parser import WorkloadParserStage
        from zigzag.stages.results.reduce_stages import MinimalEnergyStage
        from zigzag.stages.workload_iterator import WorkloadStage
    found = device(name)
    logging.disable(logging.CRITICAL)
    try:
        for kind, nest in LAYERS.items():
            load = Workload("one", (Layer(kind, "conv", "aten.conv2d", nests=(nest,)),), ())
            texts = {
                "accelerator": zigzag_accelerator(found),
                "mapping": zigzag_mapping(found),
                "workload": zigzag_workload(load, bits=found.bits),
            }
            files = {word: tmp_path / f"{word}.yaml" for word in texts}
            for word, text in texts.items():
                files[word].write_text(text)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ((answer, _),) = MainStage(
                    [
                        WorkloadParserStage, AcceleratorParserStage, WorkloadStage,
                        MinimalEnergyStage, SpatialMappingGeneratorStage, MinimalEnergyStage,
                        TemporalMappingGeneratorStage, CostModelStage,
                    ],
                    **{word: str(file) for word, file in files.items()},
                    loma_lpf_limit=3, loma_show_progress_bar=False, nb_mappings_generated=1,
                    temporal_mapping_type=TemporalMappingType.UNEVEN,
                ).run()  # fmt: skip
            assert answer.layer.total_mac_count == nest.macs, kind
            # each tensor crosses the outermost memory at least once
            outer = found.memories[0]
            least = nest.weights * outer.read_energy("W", found.bits["W"])
            assert answer.energy_total > nest.macs * found.mac_pj + least, kind
    finally:
        logging.disable(logging.NOTSET)
