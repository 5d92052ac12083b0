"""The mappings of a network's layers as annotated loop nests that unfold, a drawing for layers that are equal."""

from __future__ import annotations

from collections.abc import Iterator

from steelyard.hardware.drawing import draw_mapping
from steelyard.hardware.energy_units import format_energy
from steelyard.hardware.mapper_answer import Found
from steelyard.hardware.problem import Problem
from steelyard.report.escape import html_text
from steelyard.report.placed import Placed, Row


def mappings_html(placed: Placed, key: str) -> str:
    """Every mapped layer's loops; the anchors are ``mapping-KEY-N``, see `mapping_anchors`."""
    return "".join(_mappings(placed, key))


def mapping_anchors(placed: Placed, key: str) -> dict[str, str]:
    """The anchor of each mapped layer's first drawing."""
    anchors: dict[str, str] = {}
    for number, (_, _, rows) in enumerate(_groups(placed)):
        for row in rows:
            anchors.setdefault(row.name, f"mapping-{key}-{number}")
    return anchors


def _groups(placed: Placed) -> list[tuple[Problem, Found, list[Row]]]:
    """Different nests and their answers, each with the layers that have it."""
    groups: dict[tuple[Problem, float], tuple[Problem, Found, list[Row]]] = {}
    for row in placed.rows:
        for problem, found in row.cost.parts:
            # zeros make layers differ that have equal loops
            same = (problem, found.evaluation.energy_pj)
            groups.setdefault(same, (problem, found, []))[2].append(row)
    return list(groups.values())


def _mappings(placed: Placed, key: str) -> Iterator[str]:
    groups = _groups(placed)
    if not groups or placed.estimate is None:
        return
    yield '<p class="note">Read from the top: each memory with the tiles that it holds and what it moves, below '
    yield "it the loops that walk over the tiles of the next. Equal layers share a drawing.</p>"
    yield '<div class="mappings">'
    for number, (problem, found, rows) in enumerate(groups):
        cost = found.evaluation
        names = [row.name for row in rows]
        shown = ", ".join(dict.fromkeys(names[:3]))
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        text = draw_mapping(problem, found.mapping, placed.estimate.device, cost)
        yield f'<details id="mapping-{key}-{number}"><summary><b>{html_text(shown + more)}</b> '
        yield f'<span class="soft">{html_text(rows[0].operator)}; {format_energy(cost.energy_pj, placed.device)}, '
        yield f"{cost.cycles:,} cycles, utilisation {cost.utilization:.1%}"
        yield f"{'' if found.gap < 1e-9 else f', gap {found.gap:.2%}'}</span></summary>"
        yield f'<pre tabindex="0">{_lines(text)}</pre></details>'
    yield "</div>"


def _lines(text: str) -> str:
    """The drawing, its memories, loops and operation in colours of their own."""
    out = []
    for line in text.split("\n"):
        start = line.lstrip()
        css = "m" if start.startswith("[") else "a" if start.startswith("<") else ""
        css = css or ("l" if start.startswith(("for ", "side by side ")) else "")
        css = css or ("o" if start.startswith("o += ") else "")
        # html_text would make the line ends visible: it is given one line at a time
        clean = html_text(line)
        out.append(f'<span class="{css}">{clean}</span>' if css else clean)
    return "\n".join(out)
