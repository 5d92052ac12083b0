"""The eight key metrics of a network on a device, and the scorecard that holds them."""

from steelyard.metrics.card import METRICS, Factor, Figure, Metric, Scorecard, Scorecards

__all__ = ["METRICS", "Factor", "Figure", "Metric", "Scorecard", "Scorecards"]
