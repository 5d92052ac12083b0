"""Seeded mutants of a torch.export archive; run as a program: ARCHIVE FOLDER FIRST_SEED LAST_SEED.

Prints one JSON object: how many were read and how many refused, the slowest in seconds, the peak of
resident memory in bytes, and every outcome that is not allowed. Address space is limited to 1 GiB.
"""

from __future__ import annotations

import copy
import io
import json
import random
import resource
import sys
import time
import traceback
import zipfile
from pathlib import Path
from typing import Any

from peak_memory import peak_bytes

from steelyard.capture.exported import capture_exported
from steelyard.errors import SteelyardError

_LIMIT = 2**30
_ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 7, 64, 99, 2**31, 2**53, 2**62, 2**63 - 1, 2**63, -(2**63) - 1,
    10**30, 0.5, -1e308, 1e400, "", "x", "Infinity", "as_int", "\x00", "\x1b[31m", "\ud800", "é" * 400,
    "torch.ops.aten.add.Tensor", "torch.ops.aten.conv2d.default", "torch.ops.aten.lstm.input",
    "torch.ops.aten.einsum.default", "torch.ops.higher_order.cond", "..", [], {}, [[]], [1, -1],
    {"as_int": 2**40}, {"as_none": True}, {"as_ints": [3, -3]}, {"name": "x"}, {"as_tensor": {"name": "x"}},
)  # fmt: skip


def _slots(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """(container, key) of everything inside ``value``."""
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(entries):
        found.append((value, key))
        if isinstance(inner, (dict, list)):
            _slots(inner, found)
    return found


def _mutate_json(document: Any, rng: random.Random) -> Any:
    for _ in range(rng.choice((1, 1, 1, 2, 5, 20))):
        slots = _slots(document, [])
        if not slots or len(slots) > 200_000:
            return document
        container, key = rng.choice(slots)
        value = container[key]
        action = rng.randrange(8)
        if action == 0:
            del container[key]
        elif action == 1 and isinstance(value, int):
            container[key] = rng.choice((-value, value + 1, value * 2**40, value << 70))
        elif action == 2 and isinstance(value, str):
            strings = [c[k] for c, k in slots if isinstance(c[k], str)]
            container[key] = rng.choice(strings)
        elif action == 3 and isinstance(value, list):
            container[key] = rng.choice((value * 2, value[:-1], value[::-1], value * 300, [value]))
        elif action == 4 and isinstance(value, dict):
            other, name = rng.choice(slots)
            container[key] = copy.deepcopy(other[name])
        elif action == 5 and isinstance(value, dict) and value:
            name = rng.choice(list(value))
            value[name + "_"] = value.pop(name)
        else:
            container[key] = copy.deepcopy(rng.choice(_ODD_VALUES))
    return document


def _mutant(data: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.35:
        damaged = bytearray(data)
        for _ in range(rng.choice((1, 1, 3, 30))):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        if rng.random() < 0.2:
            start = rng.randrange(len(damaged))
            del damaged[start : start + rng.choice((1, 100, len(damaged)))]
        return bytes(damaged)
    buffer = io.BytesIO()
    method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w", method) as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("models/model.json") or (
                name.endswith(".json") and rng.random() < 0.2
            ):
                content = json.dumps(_mutate_json(json.loads(content), rng)).encode()
            new.writestr(name, content)
    return buffer.getvalue()


def main(archive: str, folder: str, first: int, last: int) -> dict[str, Any]:
    """Reads the mutants of all seeds from ``first`` up to ``last``."""
    resource.setrlimit(resource.RLIMIT_AS, (_LIMIT, _LIMIT))
    data = Path(archive).read_bytes()
    path = Path(folder) / "mutant.pt2"
    read = refused = 0
    slowest = 0.0
    wrong: list[str] = []
    for seed in range(first, last):
        path.write_bytes(_mutant(data, random.Random(seed)))
        started = time.monotonic()
        try:
            capture_exported(path).coverage  # noqa: B018
            read += 1
        except SteelyardError as error:
            refused += 1
            if not str(error).strip():
                wrong.append(f"seed {seed}: an error without a message")
        except BaseException:
            wrong.append(f"seed {seed}: {traceback.format_exc()[-700:]}")
        slowest = max(slowest, time.monotonic() - started)
    peak = peak_bytes()
    return {"read": read, "refused": refused, "slowest": slowest, "peak": peak, "wrong": wrong}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))))
