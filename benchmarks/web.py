"""How long do answers of the workbench take with 50 users at once? ``python benchmarks/web.py [--seconds 300]``

Starts a server of its own and lets users work: each thinks for a second on average, then weighs a network (60 %), drags a
knob (5 %: ten what-ifs, a tenth of a second after one another, values that nobody has asked for), opens a graph (20 %),
compares three networks (5 %) or reads about one. Half of the networks weighed have a width that nobody has asked for. Users, server
and its processes share the machine's cores. Then everybody asks without thinking, for networks that are known.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any

RESULT = Path(__file__).with_name("results") / "web.md"
NETWORKS = (
    "resnet50 mobilenet_v2 resnet18 efficientnet_b0 vgg16 alexnet googlenet shufflenet_v2_x1_0 squeezenet1_1 "
    "mobilenet_v3_large densenet121 resnet101 inception_v3 mobilenet_v1 resnext50_32x4d mnasnet1_0 seresnet50 "
    "efficientnet_b3 resnet34 lenet5 xception resnet152 densenet201 vgg11"
).split()
WEIGHTS = [1 / (place + 1) for place in range(len(NETWORKS))]
"""The first is asked for most, as in life."""

THINK_S = 1.0
DRAG_S = 0.1


@dataclass
class Record:
    """Seconds by kind of request, and what went wrong."""

    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: dict[str, int] = field(default_factory=lambda: defaultdict(int))


class Connection:
    """One browser: keeps its connection."""

    def __init__(self, port: int, token: str, record: Record) -> None:
        self.port, self.token, self.record = port, token, record
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, kind: str, path: str, body: Any = None) -> bytes:
        """The answer; its time is counted from the first byte sent to the last received."""
        begun = time.perf_counter()
        if self.streams is None:
            self.streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self.streams
        content = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"X-Steelyard-Token: {self.token}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(content)}\r\n\r\n"
        )
        writer.write(head.encode() + content)
        answer = await reader.readuntil(b"\r\n\r\n")
        fields = answer.decode("latin-1").lower().split("\r\n")
        length = next(int(f.split(":")[1]) for f in fields if f.startswith("content-length"))
        found = await reader.readexactly(length)
        self.record.times[kind].append(time.perf_counter() - begun)
        status = answer.split(b" ", 2)[1].decode()
        if status != "200":  # a width that a network does not take is refused with 422
            self.record.errors[f"{kind} {status}"] += 1
        return found


async def user(seed: int, connection: Connection, until: float) -> None:
    """One user's work."""
    draw = random.Random(seed)
    await asyncio.sleep(draw.random() * THINK_S)
    while time.monotonic() < until:
        name = draw.choices(NETWORKS, WEIGHTS)[0]
        action = draw.random()
        if action < 0.6:
            new = draw.random() < 0.5
            knobs = {"width": round(draw.uniform(0.5, 1.5), 3)} if new else {}
            kind = "cost, new" if new else "cost, known"
            await connection.ask(kind, "/api/cost", {"what": {"model": name, "knobs": knobs}})
        elif action < 0.65:
            for _ in range(10):
                what = {"model": name, "knobs": {"width": round(draw.uniform(0.5, 1.5), 3)}}
                await connection.ask("what-if, new", "/api/whatif", {"what": what})
                await asyncio.sleep(DRAG_S)
        elif action < 0.85:
            await connection.ask("graph", "/api/graph", {"what": {"model": name}})
        elif action < 0.9:
            whats = [{"model": other} for other in draw.choices(NETWORKS, WEIGHTS, k=3)]
            await connection.ask("compare", "/api/compare", {"whats": whats})
        else:
            await connection.ask("model", f"/api/models/{name}")
        await asyncio.sleep(draw.expovariate(1 / THINK_S))


async def hurried(seed: int, connection: Connection, until: float) -> None:
    """One who does not think."""
    draw = random.Random(seed)
    while time.monotonic() < until:
        what = {"model": draw.choices(NETWORKS, WEIGHTS)[0]}
        await connection.ask("cost, known, no pause", "/api/cost", {"what": what})


async def together(port: int, token: str, users: int, seconds: float, hurry: float) -> Record:
    """All users at once."""
    record = Record()
    connections = [Connection(port, token, record) for _ in range(users)]
    until = time.monotonic() + seconds
    await asyncio.gather(*(user(n, c, until) for n, c in enumerate(connections)))
    until = time.monotonic() + hurry
    await asyncio.gather(*(hurried(n, c, until) for n, c in enumerate(connections)))
    return record


def table(record: Record, users: int, seconds: float, hurry: float) -> str:
    """The figures."""
    rows = ["| request | answers | a second | p50 ms | p95 ms | p99 ms | most ms |", "|---|--:|--:|--:|--:|--:|--:|"]  # fmt: skip
    groups = dict(sorted(record.times.items()))
    groups["**cost, all**"] = [t for k in ("cost, known", "cost, new") for t in record.times[k]]
    for kind, times in groups.items():
        if len(times) < 2:
            continue
        cuts = quantiles(times, n=100)
        shown = " | ".join(f"{1000 * s:.0f}" for s in (cuts[49], cuts[94], cuts[98], max(times)))
        lasted = hurry if "no pause" in kind else seconds
        rows.append(f"| {kind} | {len(times)} | {len(times) / lasted:.1f} | {shown} |")
    went_wrong = ", ".join(f"{k}: {n}" for k, n in record.errors.items()) or "none"
    load = os.getloadavg()[0]
    return (
        "# The workbench under load\n\n"
        f"`python benchmarks/web.py --users {users} --seconds {seconds:g}`: {users} users at once for {seconds:g} s, "
        f"each a second of thought between requests; server, its processes and the users on the same "
        f"{len(os.sched_getaffinity(0))} cores. known: asked for before, or by somebody else; new: a width that nobody "
        "has asked for. no pause: 50 users ask again as soon as they are answered.\n\n"
        + "\n".join(rows)
        + f"\n\nNot answered with 200: {went_wrong} (422: a network that cannot have that width). Load of the machine at the end: {load:.1f}.\n"
    )


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--hurry", type=float, default=8, help="seconds without pauses")
    parser.add_argument("--write", action="store_true", help="write results/web.md")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as store:
        line = [sys.executable, "-m", "steelyard", "serve", "--port", "0", "--no-browser"]
        server = subprocess.Popen(
            [*line, "--store", store], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            assert server.stdout is not None
            url, _, token = server.stdout.readline().strip().partition("/#token=")
            port = int(url.rpartition(":")[2])
            asyncio.run(together(port, token, 1, 3, 0))  # its processes have begun
            record = asyncio.run(together(port, token, args.users, args.seconds, args.hurry))
        finally:
            server.terminate()
            server.wait()
    text = table(record, args.users, args.seconds, args.hurry)
    print(text)
    if args.write:
        RESULT.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
