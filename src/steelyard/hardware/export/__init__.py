"""Workloads and accelerators in the files of other estimators, to cross-check: Timeloop v0.4 and ZigZag 3.

What a format cannot say stands as a comment at the top of the file, or is refused where leaving it out would
mean another device. Nothing here runs those programs.
"""

from steelyard.hardware.export.folder import write_files
from steelyard.hardware.export.timeloop import timeloop_architecture, timeloop_problem
from steelyard.hardware.export.zigzag import zigzag_accelerator, zigzag_mapping, zigzag_workload

__all__ = [
    "timeloop_architecture",
    "timeloop_problem",
    "write_files",
    "zigzag_accelerator",
    "zigzag_mapping",
    "zigzag_workload",
]
