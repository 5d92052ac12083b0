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
            texts = [dict(card.metric(name).stated).get(what, "not stated") for card in known]
            found += _differing(known, name, what, texts)
        found += _differing(known, name, "unit", [card.metric(name).unit for card in known])
    return tuple(found)


def _differing(
    cards: Sequence[Scorecard], metric: MetricName, what: str, texts: Sequence[str]
) -> list[str]:
    """One sentence if the texts differ; cards are named by what decides the text, device or network, or by both."""
    if len(set(texts)) < 2:
        return []
    whole = [f"{card.network} on {card.device}" for card in cards]
    for labels in ([card.device for card in cards], [card.network for card in cards], whole):
        if len(set(zip(labels, texts, strict=True))) == len(set(labels)):
            break
    groups: dict[str, dict[str, None]] = {}
    for label, text in zip(labels, texts, strict=True):
        groups.setdefault(text, {})[label] = None
    parts = [f"{text} ({', '.join(found)})" for text, found in groups.items()]
    return [f"{metric}, {what}: {'; '.join(parts)}"]
