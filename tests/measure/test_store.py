"""What is kept of measurements: all of it, by machine, with the change; other formats are left out and said."""

import json
import os
from pathlib import Path

import pytest

from steelyard._kept import Kept
from steelyard.measure.energy import Energy
from steelyard.measure.measurement import Measurement
from steelyard.measure.store import keep, measurement_history
from steelyard.measure.timing import Timing


def measured(median_s: float, at: str, network: str = "net", machine: str = "here") -> Measurement:
    return Measurement(
        network=network,
        setting="eager",
        ran="PyTorch",
        precision="float32",
        batch=1,
        threads=1,
        pinned=(0,),
        keep_freed=False,
        timing=Timing((median_s, median_s, median_s)),
        deviation=0.0,
        tolerance=1e-4,
        prepare_s=0.1,
        peak_memory_bytes=None,
        energy=Energy(None, unavailable="no counter"),
        machine=machine,
        taken_at=at,
    )


def test_the_change_is_against_the_same_on_the_same_machine(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "store.sqlite"
    rows = [
        measured(1.0, "2026-01-01T00:00:00+00:00"),
        measured(9.0, "2026-01-02T00:00:00+00:00", machine="there"),
        measured(5.0, "2026-01-03T00:00:00+00:00", network="other"),
        measured(1.5, "2026-01-04T00:00:00+00:00"),
    ]
    assert keep(reversed(rows), path) == ()
    found = measurement_history(path=path)
    assert [past.median_s for past in found.rows] == [1.0, 9.0, 5.0, 1.5]
    assert [past.change for past in found.rows] == [None, None, None, pytest.approx(0.5)]
    assert {"here", "there"} <= set(found.machines)
    only = measurement_history(["net"], path)
    assert [past.median_s for past in only.rows] == [1.0, 9.0, 1.5]
    assert "+50" in str(only)


def test_nothing_kept_is_said(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    assert "Nothing was measured yet" in str(measurement_history(path=path))
    assert not path.exists()


def test_another_format_is_left_out_and_said(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    keep([measured(1.0, "2026-01-01T00:00:00+00:00")], path)
    old = {"row": {"schema": "steelyard.measurement/0"}, "environment": {}}
    Kept(path, "measurements").put("2020", json.dumps(old))
    Kept(path, "measurements").put("2021", "[]")
    found = measurement_history(path=path)
    assert len(found.rows) == 1
    assert found.notes == ("2 kept measurements have another format and are left out",)


def test_a_torn_file_is_set_aside_and_said(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    keep([measured(1.0, "2026-01-01T00:00:00+00:00")], path)
    path.write_bytes(path.read_bytes()[:1000])
    notes = keep([measured(2.0, "2026-01-02T00:00:00+00:00")], path)
    assert any("damaged" in note for note in notes)
    assert [past.median_s for past in measurement_history(path=path).rows] == [2.0]
    assert path.with_suffix(".damaged").exists()


@pytest.mark.skipif(os.name != "posix", reason="a folder that is a file")
def test_a_place_that_cannot_be_written_is_said_and_nothing_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    notes = keep([measured(1.0, "2026-01-01T00:00:00+00:00")], tmp_path / "file" / "store.sqlite")
    assert any("cannot be used" in note for note in notes)
