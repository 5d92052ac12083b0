"""`Calibration`: what the predictor learnt about one machine, with its record; kept as arrays and JSON, never as code."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard._cache import cache_folder
from steelyard._display import Printable
from steelyard.errors import FileFormatError, InputError, UsageError
from steelyard.measure.environment import environment
from steelyard.measure.predictor.correction import (
    GROUPS,
    Correction,
    Reference,
    corrected,
    left_out,
)
from steelyard.measure.predictor.model import Model

SCHEMA = "steelyard.calibration/2"

ENOUGH = 9
"""References that settle the interval alone."""

DECISIVE = ("processor", "cores", "caches", "flags", "torch")
"""Facts of the environment without which a calibration says nothing; ONNX Runtime's version for its own."""

LARGEST_BYTES = 256 * 2**20
"""Of a file that is read."""


@dataclass(frozen=True, slots=True)
class Record:
    """How a calibration came about.

    Attributes:
        backend: that was calibrated.
        threads: that it computed with.
        taken_at: UTC, ISO 8601.
        duration_s: seconds that it took in all.
        load: of the machine in the last minute, before and after; None where the system does not say.
        probes: random networks that ran; they are numbered from 0.
        operators: that were timed in them.
        errors: of each probe, its time as told by the others over the measured one, minus 1.
        references: networks that were measured as a whole afterwards.
        environment: the machine and its libraries.
    """

    backend: str
    threads: int
    taken_at: str
    duration_s: float
    load: tuple[float | None, float | None]
    probes: int
    operators: int
    errors: tuple[float, ...]
    references: tuple[Reference, ...]
    environment: dict[str, str]


@dataclass(frozen=True)
class Calibration(Printable):
    """A model of operators on one machine.

    Attributes:
        record: how it came about.
        model: seconds of each kind of operator.
    """

    record: Record
    model: Model

    @cached_property
    def correction(self) -> Correction:
        """What the references say of networks as a whole."""
        return corrected(self.record.references)

    def reach(self, level: float) -> float:
        """Factor around a prediction that holds the truth in ``level`` of cases, up and down.

        By split conformal prediction (Lei et al. 2018) from the errors on the references, each told by the others; where
        those are fewer than `ENOUGH`, from the errors on probes if they are wider, since a probe is one network, too,
        but has no correction.
        """
        references = self.record.references
        found = []
        if len({r.family for r in references}) > 1:
            found.append(reach(left_out(references), level))
        if len(references) < ENOUGH:
            found.append(reach(self.record.errors, level))
        return max(found)

    def to_dict(self) -> dict[str, Any]:
        """Plain data without the trees, schema ``steelyard.calibration/2``."""
        kinds = {kind: model.count for kind, model in self.model.kinds.items()}
        return {"schema": SCHEMA, **asdict(self.record), "kinds": kinds}

    def save(self, path: Path | None = None) -> Path:
        """Writes the file as a whole or not at all; default: the usual place."""
        target = path or calibration_path(self.record.backend, self.record.threads)
        head = json.dumps({"schema": SCHEMA, **asdict(self.record)}, allow_nan=False)
        buffer = io.BytesIO()
        arrays: dict[str, Any] = self.model.to_arrays()
        np.savez_compressed(buffer, **{"record": np.frombuffer(head.encode(), np.uint8), **arrays})
        scratch = target.with_suffix(".part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            scratch.write_bytes(buffer.getvalue())
            scratch.replace(target)
        except OSError as error:
            raise InputError(
                f"cannot write {target}: {error}", hint="STEELYARD_CACHE=another folder"
            ) from None
        return target


def reach(errors: Sequence[float], level: float) -> float:
    """Factor around a prediction that holds the truth in ``level`` of cases.

    Args:
        errors: predicted over measured, minus 1, of networks that the model had not seen.
        level: share of cases.

    Raises:
        InputError: no errors are known.
    """
    if not errors:
        raise InputError("a calibration without errors of its own", hint="steelyard calibrate")
    apart = np.sort(np.abs(np.log1p(np.maximum(np.asarray(errors), -0.99))))
    place = min(len(apart), int(np.ceil((len(apart) + 1) * level))) - 1
    return float(np.exp(apart[place]))


def calibration_path(backend: str, threads: int) -> Path:
    """Where the calibration of a backend with so many threads is kept."""
    return cache_folder() / f"calibration-{backend}-{threads}.npz"


def load_calibration(path: Path) -> Calibration:
    """The inverse of `Calibration.save`; nothing in the file is run.

    Raises:
        FileFormatError: missing, torn, or not a calibration.
    """
    again = "steelyard calibrate"
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise FileFormatError(f"{path} has {path.stat().st_size} bytes", hint=again)
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise FileFormatError(f"there is no calibration {path}", hint=again) from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, KeyError) as error:
        raise FileFormatError(
            f"{path} is no calibration, or a torn one: {error}", hint=again
        ) from None
    try:
        return Calibration(
            _record(arrays), Model.from_arrays({k: v for k, v in arrays.items() if k != "record"})
        )
    except FileFormatError as error:
        raise FileFormatError(
            f"{path}: {error.given}", expected=error.expected, hint=again
        ) from None


def _record(arrays: Mapping[str, NDArray[Any]]) -> Record:
    try:
        data = json.loads(arrays["record"].tobytes().decode("utf-8"))
        if data["schema"] != SCHEMA:
            raise FileFormatError(f"schema {str(data['schema'])[:40]!r}", expected=SCHEMA)
        before, after = data["load"]
        return Record(
            str(data["backend"]), int(data["threads"]), str(data["taken_at"]), float(data["duration_s"]),
            (None if before is None else float(before), None if after is None else float(after)),
            int(data["probes"]), int(data["operators"]), tuple(map(float, data["errors"])),
            tuple(_reference(item) for item in data["references"]),
            {str(key): str(value) for key, value in data["environment"].items()},
        )  # fmt: skip
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise FileFormatError(f"its record is damaged: {type(error).__name__} {error}") from None


def _reference(item: Mapping[str, Any]) -> Reference:
    return Reference(
        str(item["network"]), str(item["family"]), _sums(item["summed_s"]), int(item["operators"]),
        float(item["measured_s"]),
    )  # fmt: skip


def _sums(items: Sequence[Any]) -> tuple[float, ...]:
    found = tuple(map(float, items))
    if len(found) != len(GROUPS):
        raise ValueError(f"{len(found)} sums of a reference, not {len(GROUPS)}")
    return found


def find_calibration(backend: str, threads: int) -> Calibration:
    """The one that was made here, with so many threads.

    Raises:
        UsageError: there is none.
        FileFormatError: it is torn.
    """
    path = calibration_path(backend, threads)
    if not path.exists():
        raise UsageError(
            f"nothing is known yet about {backend} with {threads} thread{'s' if threads > 1 else ''} on this machine",
            expected="a calibration, which takes minutes",
            hint=f"steelyard calibrate --backend {backend} --threads {threads}",
        )
    return load_calibration(path)


def check_machine(found: Calibration, here: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """What differs between the machine of a calibration and this one, where that hardly matters: a sentence each.

    Raises:
        InputError: it matters.
    """
    now = environment() if here is None else here
    then = found.record.environment
    changed = {
        key: (then.get(key, "none"), now.get(key, "none"))
        for key in {*then, *now}
        if then.get(key) != now.get(key)
    }
    decisive = {*DECISIVE, *((found.record.backend,) if found.record.backend != "eager" else ())}
    wrong = sorted(decisive & set(changed))
    if wrong:
        said = "; ".join(f"{key} was {changed[key][0]} and is {changed[key][1]}" for key in wrong)
        raise InputError(
            f"the calibration of {found.record.taken_at} was made on another machine or with other libraries: {said}",
            hint=f"steelyard calibrate --backend {found.record.backend} --threads {found.record.threads}",
        )
    slight = sorted(set(changed) & {"system", "python", "governor", "steelyard"})
    return tuple(
        f"calibrated with {key} {changed[key][0]}, now {changed[key][1]}" for key in slight
    )
