"""Seeded mutants of ONNX files: `mutant` makes one; as a program, captures all files of a FOLDER.

It prints one JSON object: how many were read and how many refused, the slowest in seconds, the peak of
resident memory in bytes, and every outcome that is not allowed. Address space is limited to 1 GiB.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import EncodeError, Message
from peak_memory import peak_bytes

from steelyard.capture.onnx import capture_onnx
from steelyard.errors import SteelyardError

_LIMIT = 2**30
_INTS = (
    0,
    1,
    -1,
    2,
    3,
    7,
    64,
    99,
    -2,
    224,
    2**16,
    2**31 - 1,
    2**31,
    2**40,
    2**62,
    2**63 - 1,
    -(2**63),
)
_FLOATS = (0.0, -1.0, 0.5, 2.0, 1e-30, 1e30, float("inf"), float("nan"))
_TEXTS = ("", "x", "Conv", "Relu", "Loop", "If", "Scan", "Reshape", "Einsum", "Gather", "LSTM", "Resize",
          "MatMul", "Concat", "Attention", "SequenceAt", "SAME_UPPER", "a\x1b[31m", "é" * 300,
          "com.microsoft", "ai.onnx", "i,ij->", "axis", "pads", "\x00")  # fmt: skip


def _messages(message: Message, found: list[Message]) -> list[Message]:
    """A message and all within it."""
    found.append(message)
    for descriptor, value in message.ListFields():
        if descriptor.type == descriptor.TYPE_MESSAGE:
            for inner in value if descriptor.is_repeated else [value]:
                _messages(inner, found)
    return found


def _other(descriptor: Any, value: Any, rng: random.Random) -> Any:
    if isinstance(value, bool) or descriptor.type == descriptor.TYPE_ENUM:
        return rng.choice([entry.number for entry in descriptor.enum_type.values])
    if isinstance(value, int):
        number = rng.choice((*_INTS, value + 1, -value, value * 2))
        small = descriptor.cpp_type in (descriptor.CPPTYPE_INT32, descriptor.CPPTYPE_UINT32)
        number = number % 40 if small else max(-(2**63), min(number, 2**63 - 1))
        return abs(number) if descriptor.cpp_type == descriptor.CPPTYPE_UINT64 else number
    if isinstance(value, float):
        return rng.choice(_FLOATS)
    if isinstance(value, bytes):
        return rng.choice(
            (b"", value[:-1], value + value, bytes(len(value)), rng.randbytes(len(value)))
        )
    return rng.choice(_TEXTS)


def _mutate(model: onnx.ModelProto, rng: random.Random) -> None:
    """Changes a field, a list or a whole message, a few times."""
    for _ in range(rng.choice((1, 1, 1, 2, 5, 20))):
        pool = _messages(model, [])
        if len(pool) > 50_000:
            return
        message = rng.choice(pool)
        fields = message.ListFields()
        if not fields:
            continue
        descriptor, value = rng.choice(fields)
        action = rng.randrange(6)
        if action == 0:
            message.ClearField(descriptor.name)
        elif descriptor.type == descriptor.TYPE_MESSAGE:
            target = rng.choice(list(value)) if descriptor.is_repeated else value
            donors = [m for m in pool if m.DESCRIPTOR is target.DESCRIPTOR]
            donor = type(target).FromString(rng.choice(donors).SerializeToString())
            if action < 4 or not descriptor.is_repeated:
                target.CopyFrom(donor)
            else:
                value.append(donor)
        elif descriptor.is_repeated:
            position = rng.randrange(len(value))
            if action == 1:
                del value[position]
            elif action == 2:
                value.extend(list(value)[:50])
            else:
                value[position] = _other(descriptor, value[position], rng)
        else:
            setattr(message, descriptor.name, _other(descriptor, value, rng))


def _texts(model: onnx.ModelProto, rng: random.Random) -> None:
    """Swaps names, operators and attributes, which leaves most of a graph whole."""
    nodes = list(model.graph.node)
    for _ in range(rng.choice((1, 2, 4))):
        a, b = rng.choice(nodes), rng.choice(nodes)
        action = rng.randrange(4)
        if action == 0:
            a.op_type = rng.choice((b.op_type, *_TEXTS))
        elif action == 1 and a.input and b.output:
            a.input[rng.randrange(len(a.input))] = rng.choice(list(b.output))
        elif action == 2:
            a.attribute.extend(list(b.attribute))
        elif a.input:
            del a.input[-1]


def _bytes(model: onnx.ModelProto) -> bytes:
    try:
        return model.SerializeToString()
    except EncodeError:  # a graph put into itself too often
        return b"\x08\x0a"


def mutant(data: bytes, seed: int) -> bytes:
    """The mutant of ``data`` that belongs to ``seed``: of its bytes, its fields or its graph."""
    rng = random.Random(seed)
    kind = rng.random()
    if kind < 0.4:
        model = onnx.ModelProto.FromString(data)
        _mutate(model, rng)
        return _bytes(model)
    if kind < 0.6:
        model = onnx.ModelProto.FromString(data)
        _texts(model, rng)
        return _bytes(model)
    damaged = bytearray(data)
    for _ in range(rng.choice((1, 1, 3, 30))):
        position = rng.randrange(len(damaged))
        action = rng.randrange(4)
        if action == 0:
            damaged[position] ^= 1 << rng.randrange(8)
        elif action == 1:
            damaged[position] = rng.randrange(256)
        elif action == 2:
            damaged[position:position] = rng.randbytes(rng.choice((1, 2, 30)))
        else:
            del damaged[position : position + rng.choice((1, 2, 100))]
        if not damaged:
            break
    return bytes(damaged if rng.random() < 0.85 else damaged[: rng.randrange(len(damaged) + 1)])


def main(folder: str) -> dict[str, Any]:
    """Captures every file of a folder."""
    resource.setrlimit(resource.RLIMIT_AS, (_LIMIT, _LIMIT))
    read = refused = 0
    slowest = 0.0
    wrong: list[str] = []
    for path in sorted(Path(folder).iterdir()):
        started = time.monotonic()
        try:
            capture_onnx(path).coverage  # noqa: B018
            read += 1
        except SteelyardError as error:
            refused += 1
            if not str(error).strip():
                wrong.append(f"{path.name}: an error without a message")
            if error.__cause__ is not None:  # refused by the last resort, not by a check
                wrong.append(f"{path.name}: {error}")
        except BaseException:
            wrong.append(f"{path.name}: {traceback.format_exc()[-700:]}")
        slowest = max(slowest, time.monotonic() - started)
    peak = peak_bytes()
    return {"read": read, "refused": refused, "slowest": slowest, "peak": peak, "wrong": wrong}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
