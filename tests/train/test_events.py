"""Event files, read back by Google's Protocol Buffers with TensorFlow's numbers of fields."""

import struct
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from steelyard.train.events import Events, crc32c

DOUBLE, FLOAT, INT64, STRING, MESSAGE = 1, 2, 3, 9, 11


def event_class() -> Any:
    """``Event`` as far as it is used; tensorflow/core/util/event.proto and framework/summary.proto."""
    file = descriptor_pb2.FileDescriptorProto(name="event.proto", syntax="proto3")
    layout: dict[str, list[tuple[str, int, int, str, int]]] = {
        "Value": [("tag", 1, STRING, "", 1), ("simple_value", 2, FLOAT, "", 1)],
        "Summary": [("value", 1, MESSAGE, ".Value", 3)],
        "Event": [
            ("wall_time", 1, DOUBLE, "", 1),
            ("step", 2, INT64, "", 1),
            ("file_version", 3, STRING, "", 1),
            ("summary", 5, MESSAGE, ".Summary", 1),
        ],
    }
    for message, fields in layout.items():
        made = file.message_type.add(name=message)
        for name, number, kind, type_name, label in fields:
            field = made.field.add(name=name, number=number, type=kind, label=label)  # type: ignore[arg-type]
            if type_name:
                field.type_name = type_name
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)  # type: ignore[attr-defined]
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("Event"))  # type: ignore[no-untyped-call]


def records(content: bytes) -> list[bytes]:
    """TFRecord: length, its masked checksum, data, its masked checksum."""
    found = []
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        data = content[12 : 12 + length]
        for part, at in ((content[:8], 8), (data, 12 + length)):
            crc = crc32c(part)
            masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
            assert struct.unpack("<I", content[at : at + 4]) == (masked,)
        found.append(data)
        content = content[16 + length :]
    return found


@pytest.mark.parametrize(
    ("data", "crc"),
    [
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
    ids=["zeros", "ones", "rising", "falling"],
)
def test_the_checksum_is_that_of_rfc_3720(data: bytes, crc: int) -> None:
    assert crc32c(data) == crc


def test_scalars_are_read_back(tmp_path: Path) -> None:
    events = Events(tmp_path)
    events.add(0, {"loss": 0.5})
    events.add(300_000, {"loss": 0.25, "größe": -1.5})
    events.close()
    (path,) = tmp_path.iterdir()
    assert path.name.startswith("events.out.tfevents.")
    Event = event_class()
    first, *rest = [Event.FromString(record) for record in records(path.read_bytes())]
    assert first.file_version == "brain.Event:2"
    found = [(e.step, {v.tag: v.simple_value for v in e.summary.value}) for e in rest]
    assert found == [(0, {"loss": 0.5}), (300_000, {"loss": 0.25, "größe": -1.5})]
    assert all(e.wall_time > 1.7e9 for e in rest)


def test_a_new_file_takes_the_place_of_ours_and_leaves_others(tmp_path: Path) -> None:
    (tmp_path / "events.out.tfevents.1.host").touch()
    (tmp_path / "events.out.tfevents.1.steelyard").touch()
    Events(tmp_path).close()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) == 2 and names[0] == "events.out.tfevents.1.host"
    assert names[1] != "events.out.tfevents.1.steelyard"
