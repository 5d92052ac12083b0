"""What a workload costs on any machine: counts, memory, guidelines, design algebra and comparison.

``api`` weighs a workload (`cost` -> `CostReport`), ``counts`` defines what is counted, ``memory`` and
``training`` follow the tensors' lives, ``guidelines`` applies ShuffleNet V2's G1 to G4, ``algebra`` holds
formulas of equal-cost design, ``compare`` explains the difference between two workloads. No torch here.
"""

from steelyard.cost.api import CostReport, cost
from steelyard.cost.compare import Comparison, LayerChange, compare
from steelyard.cost.counts import Cost, LayerCost
from steelyard.cost.guidelines import Finding, guidelines
from steelyard.cost.memory import LiveTensor, PeakMemory, peak_activation_memory
from steelyard.cost.training import TrainingMemory, training_memory

__all__ = [
    "Comparison",
    "Cost",
    "CostReport",
    "Finding",
    "LayerChange",
    "LayerCost",
    "LiveTensor",
    "PeakMemory",
    "TrainingMemory",
    "compare",
    "cost",
    "guidelines",
    "peak_activation_memory",
    "training_memory",
]
