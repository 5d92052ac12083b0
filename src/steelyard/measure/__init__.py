"""Measuring real networks on the machine at hand."""

from steelyard.measure import breakdown_layout as _breakdown  # noqa: F401 - as the next
from steelyard.measure import guideline_layout as _guidelines  # noqa: F401
from steelyard.measure import layout as _layout  # noqa: F401 - teaches the report room to print them
from steelyard.measure import optimize_layout as _optimized  # noqa: F401
from steelyard.measure.api import measure, measure_all
from steelyard.measure.backend import list_backends, register_backend
from steelyard.measure.measurement import Failure, Measurement, Measurements

__all__ = [
    "Failure",
    "Measurement",
    "Measurements",
    "list_backends",
    "measure",
    "measure_all",
    "register_backend",
]
