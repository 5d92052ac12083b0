"""Published weights on photographs laid out as ImageNet, beside `predict`, which prepares them with Pillow."""

from __future__ import annotations

import json
import re
import shutil
from importlib import metadata
from pathlib import Path

import pytest

import steelyard as sy
from steelyard.errors import BackendError, FileFormatError, InputError, MissingExtraError

TRUE = {
    "chelsea.png": "tabby",
    "coffee.png": "espresso",
    "rocket.jpg": "missile",
    "camera.png": "tripod",
    "motorcycle_left.png": "moped",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """``val/CLASS/photo`` of scikit-image's photographs; `make test` installs it."""
    skimage = Path(str(metadata.distribution("scikit-image").locate_file("skimage/data")))
    root = tmp_path_factory.mktemp("imagenet")
    for photo, name in TRUE.items():
        (root / "val" / name).mkdir(parents=True)
        shutil.copy(skimage / photo, root / "val" / name)
    return root


@pytest.mark.parametrize("name", ["efficientnet_lite0", "mobilenet_v2"])
def test_it_sees_what_predict_sees(folder: Path, name: str) -> None:
    photos = sorted(folder.glob("val/*/*"))
    try:
        predicted = sy.predict(name, photos, top=1000, quiet=True).predictions
    except MissingExtraError as error:
        pytest.skip(str(error))
    except BackendError as error:  # weights that are nowhere here and cannot be had
        if not re.search(r"cannot be reached|answered \d+|was cut", str(error)):
            raise
        pytest.skip(str(error))
    found = sy.evaluate(name, data=f"folder:{folder}", batch=2)
    scores = found.output.scores
    assert len(found.output.classes) == 1000
    ranks = []
    for i, one in enumerate(predicted):
        assert int(scores.predictions[i]) == one.guesses[0].index
        # Pillow's rounding of 8-bit pixels against torch's: one level in some of them
        assert float(scores.confidences[i]) == pytest.approx(one.guesses[0].probability, abs=0.02)
        names = [guess.name for guess in one.guesses]
        ranks.append(names.index(TRUE[Path(one.photo).name]))
    assert found.top1 == 100 * sum(rank == 0 for rank in ranks) / 5
    assert found.top5 == 100 * sum(rank < 5 for rank in ranks) / 5
    assert found.top5 == 100
    assert [r == 0 for r in ranks] == scores.correct.tolist()
    data = json.loads(json.dumps(found.to_dict()))
    assert data["samples"] == 5
    assert "center_crop: " in data["preprocessing"]
    assert sum(count for _, _, count in data["outputs"][0]["confusion"]) == 5


def test_classes_that_it_does_not_know(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "data")
    (tmp_path / "data/val/tabby").rename(tmp_path / "data/val/my cat")
    with pytest.raises(InputError, match="knows 1,000 classes, the data has 5 others, such as 'my"):
        sy.evaluate("efficientnet_lite0", data=f"folder:{tmp_path / 'data'}")


def test_images_that_cannot_be_read_fail_or_are_left_out(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "data")
    (tmp_path / "data/val/tripod/camera.png").write_bytes(b"no picture")
    data = f"folder:{tmp_path / 'data'}"
    with pytest.raises(FileFormatError, match=r"camera\.png"):
        sy.evaluate("efficientnet_lite0", data=data)
    found = sy.evaluate("efficientnet_lite0", data=data, on_corrupt="skip")
    assert found.samples == 4
    assert found.notes == ("4 of the 5 samples were evaluated",)
