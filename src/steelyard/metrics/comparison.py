"""`unlike`: what differs between cards and must be thought of before their figures are compared."""

from __future__ import annotations

from collections.abc import Sequence

from steelyard.metrics.card import BASES, METRICS, MetricName, Scorecard
from steelyard.metrics.equations import REQUIRED


def unlike(cards: Sequence[Scorecard]) -> tuple[str, ...]:
    """A sentence for each metric and statement that is not the same on all cards that have a figure."""
    found = []
    for name in METRICS:
        known = [card for card in cards if card.metric(name).value is not None]
        found += _differing(
            known, name, "found how", [BASES[card.metric(name).figure.basis] for card in known]
        )
        for what in REQUIRED[name]:
            if what == "utilisation":  # a number of each card, not a condition
                continue
            texts = [dict(card.metric(name).stated).get(what, "not stated") for card in known]
            found += _differing(known, name, what, texts)
        found += _differing(known, name, "unit", [card.metric(name).unit for card in known])
    return tuple(found)


def _differing(
    cards: Sequence[Scorecard], metric: MetricName, what: str, texts: Sequence[str]
) -> list[str]:
    """One sentence if the texts differ."""
    if len(set(texts)) < 2:
        return []
    groups: dict[str, dict[str, None]] = {}
    for label, text in zip(labels(cards, texts), texts, strict=True):
        groups.setdefault(text, {})[label] = None
    parts = [f"{text} ({', '.join(found)})" for text, found in groups.items()]
    return [f"{metric}, {what}: {'; '.join(parts)}"]


def labels(cards: Sequence[Scorecard], texts: Sequence[str]) -> list[str]:
    """A name for each card that tells its text: its device or network where that decides it, else both."""
    devices, networks = [card.device for card in cards], [card.network for card in cards]
    for names in (devices, networks):
        if len(set(zip(names, texts, strict=True))) == len(set(names)):
            return names
    return [f"{card.network} on {card.device}" for card in cards]
