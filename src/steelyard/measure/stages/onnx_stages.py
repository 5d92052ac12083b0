"""`OnnxStages`: exported stages in ONNX Runtime, as an engine runs them."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from steelyard.errors import BackendError, FileFormatError
from steelyard.measure.backends.onnx_runtime import open_session
from steelyard.measure.stages.manifest import StageFile, load_manifest, stage_content

__all__ = ["OnnxStages"]

State = dict[str, NDArray[np.generic]]


class OnnxStages:
    """See `steelyard.dynamic.engine.Stages`; the state is arrays by name.

    As many threads as PyTorch has.

    Attributes:
        manifest: of the folder.

    Args:
        folder: of `export_stages`.

    Raises:
        FileFormatError: a manifest or file that is missing, damaged or does not fit.
        InputError: thresholds of another network.
        BackendError: ONNX Runtime refuses a file.
        MissingExtraError: it is not installed.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.manifest = load_manifest(folder)
        contents = [stage_content(folder, one) for one in self.manifest.files]
        self._sessions: list[Any] = []
        for stage, content in zip(self.manifest.files, contents, strict=True):
            session = open_session(content, f"{folder}/{stage.file}")
            _check(session, stage)
            self._sessions.append(session)
        self._gives = [["logits", *one.outputs] for one in self.manifest.files]
        # an exporter leaves out inputs that a stage does not read
        self._read = [[item.name for item in session.get_inputs()] for session in self._sessions]

    @property
    def exits(self) -> int:
        """How many."""
        return len(self._sessions)

    @property
    def fingerprint(self) -> str:
        """Of the exported network's weights."""
        return self.manifest.fingerprint

    def begin(self, images: Tensor | NDArray[np.float32]) -> State:
        """See `Stages.begin`."""
        given = images.cpu().numpy() if isinstance(images, Tensor) else images
        return {self.manifest.files[0].inputs[0]: given}

    def advance(self, stage: int, state: State) -> tuple[NDArray[np.float32], State]:
        """See `Stages.advance`.

        Raises:
            BackendError: ONNX Runtime failed, e.g. for images of another size.
        """
        feed = {name: state[name] for name in self._read[stage]}
        try:
            logits, *later = self._sessions[stage].run(self._gives[stage], feed)
        except Exception as error:  # a dozen classes of its own, none of them public
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise BackendError(
                f"ONNX Runtime failed in stage {stage + 1}: {first}",
                expected=f"images of shape (N, {', '.join(map(str, self.manifest.input_shape))})",
            ) from None
        return logits, dict(zip(self.manifest.files[stage].outputs, later, strict=True))

    def keep(self, state: State, rows: NDArray[np.int64]) -> State:
        """See `Stages.keep`."""
        return {name: leaf.take(rows, axis=0) for name, leaf in state.items()}


def _check(session: Any, stage: StageFile) -> None:
    """That the file takes and returns what the manifest says."""
    takes = {item.name for item in session.get_inputs()}
    gives = [item.name for item in session.get_outputs()]
    if not takes <= set(stage.inputs) or gives[1:] != list(stage.outputs):
        raise FileFormatError(
            f"{stage.file} takes {', '.join(sorted(takes))} and returns {', '.join(gives)}",
            expected=f"as the manifest says: {', '.join(stage.inputs)} and logits"
            + "".join(f", {name}" for name in stage.outputs),
        )
