"""Published tables beside the same figures computed from captured workloads."""

from steelyard.tables import layout as _layout  # noqa: F401 - teaches the report room to print them
from steelyard.tables.networks import Entry, Networks, networks
from steelyard.tables.popular_networks import Cell, PopularNetworks, Row, popular_networks

__all__ = ["Cell", "Entry", "Networks", "PopularNetworks", "Row", "networks", "popular_networks"]
