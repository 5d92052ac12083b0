"""ONNX operators: their rules."""

from __future__ import annotations

from steelyard.capture.rules.table import Rule

ONNX_RULES: dict[str, Rule] = {}
