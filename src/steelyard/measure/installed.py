"""Whether an optional runtime is installed, new enough and can be loaded; if not, why, with the line that installs it."""

from __future__ import annotations

import importlib
import importlib.util
import re
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from steelyard.errors import BackendError, MissingExtraError


@dataclass(frozen=True, slots=True)
class Runtime:
    """A package that an extra brings.

    Attributes:
        package: to import.
        extra: of steelyard.
        least: the oldest version that is known to work, as the extra asks for.
    """

    package: str
    extra: str
    least: str

    def missing(self) -> str:
        """Why it cannot be used; "" if nothing is known against it. Imports nothing."""
        if importlib.util.find_spec(self.package) is None:
            return f"the package {self.package} is not installed; try: pip install 'steelyard[{self.extra}]'"
        with suppress(metadata.PackageNotFoundError):
            found = metadata.version(self.package)
            if _numbers(found) < _numbers(self.least):
                return (
                    f"{self.package} {found} is installed, which is older than {self.least}; "
                    f"try: pip install -U 'steelyard[{self.extra}]'"
                )
        return ""

    def load(self) -> Any:
        """The package.

        Raises:
            MissingExtraError: it is not installed.
            BackendError: it is, and cannot be loaded.
        """
        try:
            return importlib.import_module(self.package)
        except (
            Exception
        ) as error:  # an import may raise anything, and a half installed package does
            if isinstance(error, ImportError) and importlib.util.find_spec(self.package) is None:
                raise MissingExtraError(
                    f"the backend {self.package}", extra=self.extra, package=self.package
                ) from None
            raise BackendError(
                f"{self.package} is installed but cannot be loaded: {type(error).__name__}: {error}",
                hint=f"pip install --force-reinstall 'steelyard[{self.extra}]'",
            ) from error


def _numbers(version: str) -> tuple[int, ...]:
    """Of the release: ``1.20.1rc1`` is (1, 20, 1)."""
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, match[0].split("."))) if match else ()


ONNX_RUNTIME = Runtime("onnxruntime", "onnxruntime", "1.20")
OPENVINO = Runtime("openvino", "openvino", "2024.6")
