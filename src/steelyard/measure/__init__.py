"""Measuring real networks on real data."""

from steelyard.measure.sparsity import LayerSparsity, MeasuredSparsity, measure_sparsity

__all__ = ["LayerSparsity", "MeasuredSparsity", "measure_sparsity"]
