"""Where a report's figures come from: versions, dates, the command line, networks, devices, published figures."""

from __future__ import annotations

import platform
from collections.abc import Sequence

from steelyard._version import __version__
from steelyard.report.parts import Parts


def provenance(parts: Sequence[Parts], made: str, command: str) -> list[tuple[str, str]]:
    """(what, where from) pairs.

    Args:
        parts: the networks.
        made: date and time, as it is printed.
        command: line that asked for the report; "" if it was asked for in Python.
    """
    pairs = [
        ("steelyard", __version__),
        ("made", made),
        ("by", command or "steelyard.report(...) in Python"),
        ("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
    ]
    for one in parts:
        load = one.cost.workload
        text = f"captured from {load.source}; content SHA-256 {load.digest[:16]}…"
        pairs.append((load.name, text))
        if one.against is not None:
            old = one.against.before
            pairs.append((f"{one.against.old}", f"{old.name}, content SHA-256 {old.digest[:16]}…"))
    devices = {placed.device.name: placed.device.title for one in parts for placed in one.placed}
    pairs += [
        (name, f"{title}; steelyard devices {name} shows the source of each number")
        for name, title in devices.items()
    ]
    for one in parts:
        if one.split is not None:
            pairs.append(
                (f"time of {one.split.network}", f"measured on this machine: {one.split.ran}")
            )
        if one.neighbours is not None and one.neighbours.source:
            pairs.append((f"accuracy of {one.name}", one.neighbours.source))
    if any(one.neighbours is not None for one in parts):
        text = "what papers and repositories print, ImageNet, one crop; steelyard models NAME shows the source of each"
        pairs.append(("other networks", text))
    if any(one.advice is not None and one.advice.findings for one in parts):
        pairs.append(
            ("guidelines", "Ma et al., ShuffleNet V2, ECCV 2018, section 2; gains as predicted")
        )
    return list(dict.fromkeys(pairs))
