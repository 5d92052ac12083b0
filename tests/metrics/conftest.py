"""A cache of their own for these tests, and a training run."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for the module beside this file
from by_hand import made_run


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEELYARD_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def digits_run(tmp_path: Path) -> Path:
    """The recipe digits_lenet, two epochs of which are over: 1000 images a second, then 500."""
    return made_run(tmp_path / "run", processes=1, per_s=(1000.0, 500.0))
