"""Draws docs/pictures/metrics.svg: how much of a chip's peak three networks get on two accelerators, factor by factor.

``python docs/metrics_picture.py`` makes the scorecards anew and writes the picture.
"""

from __future__ import annotations

from math import log10
from pathlib import Path

import steelyard as sy
from steelyard.metrics import Scorecard
from steelyard.metrics.layout import shown

PICTURE = Path(__file__).parent / "pictures/metrics.svg"
NETWORKS = ("alexnet", "mobilenet_v2", "resnet50")
DEVICES = ("eyeriss", "tpu_v1")
STEPS = (
    ("peak", "#8fb3d9"),
    ("x active PEs", "#4f86c0"),
    ("x utilisation of the active", "#1f4e79"),
)
"""What is drawn, and in which colour."""

LEFT, WIDTH, LEAST, DECADES = 190, 560, 8.0, 6.0
"""Of the axis in pixels, and in powers of ten of MAC/s."""


def rates(card: Scorecard) -> list[float]:
    """MAC/s after each step."""
    throughput = card.metric("throughput")
    peak = throughput.other("peak").value or 0.0
    factors = {factor.name: factor.value for factor in throughput.factors}
    active = peak * factors["active PEs"]
    return [peak, active, active * factors["utilisation of the active"]]


def place(rate: float) -> float:
    """Where a rate stands on the axis."""
    return LEFT + WIDTH * (log10(rate) - LEAST) / DECADES


def drawn(cards: list[Scorecard]) -> str:
    """The picture as SVG."""
    top, row = 64, 46
    height = top + row * len(cards) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 120} {height}" '
        'font-family="sans-serif" font-size="13" role="img">',
        "<title>From the peak of a chip to the inferences that a network gets</title>",
        f'<rect width="{LEFT + WIDTH + 120}" height="{height}" fill="#ffffff"/>',
    ]
    for number, (name, colour) in enumerate(STEPS):
        x = LEFT + 190 * number
        parts.append(f'<rect x="{x}" y="14" width="14" height="14" fill="{colour}"/>')
        parts.append(f'<text x="{x + 20}" y="26">{name}</text>')
    for decade in range(int(DECADES) + 1):
        x = LEFT + WIDTH * decade / DECADES
        label = shown(10 ** (LEAST + decade), "MAC/s")
        parts.append(f'<path d="M{x:.1f} {top - 8}V{height - 34}" stroke="#d0d0d0"/>')
        parts.append(
            f'<text x="{x:.1f}" y="{height - 14}" text-anchor="middle" fill="#505050">{label}</text>'
        )
    for number, card in enumerate(cards):
        parts += bars(card, top + row * number)
    return "\n".join([*parts, "</svg>"]) + "\n"


def bars(card: Scorecard, y: int) -> list[str]:
    """One card: three bars on one another, the throughput beside them."""
    parts = [
        f'<text x="{LEFT - 10}" y="{y + 20}" text-anchor="end">{card.network} on {card.device}</text>'
    ]
    found = rates(card)
    for (name, colour), rate in zip(STEPS, found, strict=True):
        parts.append(
            f'<rect x="{LEFT}" y="{y}" width="{place(rate) - LEFT:.1f}" height="30" fill="{colour}">'
            f"<title>{name}: {shown(rate, 'MAC/s')}</title></rect>"
        )
    throughput = card.metric("throughput").value or 0.0
    text = f"{throughput:,.4g} inferences/s"
    return [*parts, f'<text x="{place(found[0]) + 8:.1f}" y="{y + 20}">{text}</text>']


def main() -> None:
    """Writes the picture."""
    cards = [sy.scorecard(net, chip, pe_factors=()) for chip in DEVICES for net in NETWORKS]
    PICTURE.write_text(drawn(cards), "utf-8")


if __name__ == "__main__":
    main()
