"""Telling how long a network takes on this machine without running it."""

from steelyard.measure.predictor import layout as _layout  # noqa: F401 - teaches the report room to print results
