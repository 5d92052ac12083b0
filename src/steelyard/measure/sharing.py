"""One export to ONNX for all rows of a network and batch, made in a process of its own, so that no row's memory shows it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from steelyard.errors import SteelyardError
from steelyard.measure.backend import Setting
from steelyard.measure.child import Child
from steelyard.measure.session import Job

READ_ONNX = ("onnxruntime", "openvino")
"""Backends that read the file."""


@contextmanager
def shared_folder(jobs: Sequence[Job]) -> Iterator[str]:
    """A folder with the export, for jobs of one network and batch; "" where none of them reads it.

    An export that fails is left to the rows: each says what is wrong.
    """
    asking = next((job for job in jobs if Setting.parse(job.setting).backend in READ_ONNX), None)
    if asking is None or not asking.source or asking.source.endswith(".onnx"):
        yield ""
        return
    with tempfile.TemporaryDirectory(prefix="steelyard-", ignore_cleanup_errors=True) as folder:
        job = Job(
            asking.source, "eager", asking.batch, input_shape=asking.input_shape, folder=folder
        )
        with closing(Child(job)) as child, suppress(SteelyardError):
            child.export()
        yield folder


def export(asked: Mapping[str, Any]) -> None:
    """The worker's part."""
    from steelyard.measure.export import onnx_file
    from steelyard.measure.program import program

    shape = tuple(asked["input_shape"]) if asked["input_shape"] else None
    onnx_file(
        program(
            asked["source"],
            batch=asked["batch"],
            folder=Path(asked["folder"]),
            input_shape=shape,
        )
    )
