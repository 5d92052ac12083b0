"""Writes docs/reference/networks.md: every published count of the zoo's networks beside ours.

``python docs/networks.py`` captures some 300 networks, which takes minutes; ``make verify`` checks that
the page is current.
"""

from __future__ import annotations

from pathlib import Path

from steelyard.report.render import to_markdown
from steelyard.tables import networks

PAGE = Path(__file__).parent / "reference" / "networks.md"

HEAD = """\
# Networks, published and counted

What `steelyard tables networks` prints: parameters and multiply-accumulates as published, ours from a
captured workload, and where they differ the reason. How figures are counted differs between papers;
[what papers leave out](ambiguities.md) sums up the conventions and the choices made here.

"""


def page() -> str:
    """The page as it should be."""
    return HEAD + to_markdown(networks(), level=2) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
