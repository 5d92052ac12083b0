"""Published tables beside the same figures computed from captured workloads."""

from steelyard.tables import hardware_layout as _hardware_layout  # noqa: F401
from steelyard.tables import layout as _layout  # noqa: F401 - teaches the report room to print them
from steelyard.tables.dataflows import Dataflows, dataflows
from steelyard.tables.eyeriss_chip import EyerissChip, eyeriss_chip
from steelyard.tables.network_energy import NetworkStatements, network_energy
from steelyard.tables.networks import Entry, Networks, networks
from steelyard.tables.popular_networks import Cell, PopularNetworks, Row, popular_networks
from steelyard.tables.row_stationary import RowStationary, row_stationary

__all__ = [
    "Cell",
    "Dataflows",
    "Entry",
    "EyerissChip",
    "NetworkStatements",
    "Networks",
    "PopularNetworks",
    "Row",
    "RowStationary",
    "dataflows",
    "eyeriss_chip",
    "network_energy",
    "networks",
    "popular_networks",
    "row_stationary",
]
