"""`parts_dict`: all that a report knows of one network, as plain data."""

from __future__ import annotations

from typing import Any

from steelyard.report.inshort import in_short
from steelyard.report.parts import Parts


def parts_dict(parts: Parts) -> dict[str, Any]:
    """Plain data; what was not asked for has no key."""
    cost = parts.cost
    data: dict[str, Any] = {
        **cost.to_dict(),
        "in_short": dict(in_short(parts)),
        "training_memory": cost.training_memory().to_dict(),
        "findings": [finding.to_dict() for finding in cost.findings],
    }
    if parts.advice is not None:
        data["advice"] = parts.advice.to_dict()
    if parts.placed:
        data["devices"] = [placed.to_dict() for placed in parts.placed]
    if parts.cards:
        data["scorecards"] = [card.to_dict() for card in parts.cards]
    for key, found in (
        ("neighbours", parts.neighbours),
        ("breakdown", parts.split),
        ("against", parts.against),
    ):
        if found is not None:
            data[key] = found.to_dict()
    return data
