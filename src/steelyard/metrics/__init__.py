"""The eight key metrics of a network on a device, and the scorecard that holds them."""

from steelyard.metrics.api import scorecard, scorecards
from steelyard.metrics.card import METRICS, Factor, Figure, Metric, Scorecard, Scorecards
from steelyard.metrics.fitting import Flexibility, flexibility
from steelyard.metrics.machines import DataParallel, measured_machines
from steelyard.metrics.pricelist import Price, price, prices
from steelyard.metrics.scalability import PeScaling, pe_scaling
from steelyard.metrics.trainings import training_cost, training_costs

__all__ = [
    "METRICS",
    "DataParallel",
    "Factor",
    "Figure",
    "Flexibility",
    "Metric",
    "PeScaling",
    "Price",
    "Scorecard",
    "Scorecards",
    "flexibility",
    "measured_machines",
    "pe_scaling",
    "price",
    "prices",
    "scorecard",
    "scorecards",
    "training_cost",
    "training_costs",
]
