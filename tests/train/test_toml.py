"""Recipe files: the ready ones, one's own, and settings from the command line."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.errors import FileFormatError, UnknownNameError, UsageError
from steelyard.train.toml import dumps, list_recipes, load_recipe

MINE = 'epochs = 3\n[network]\nname = "lenet5_dense"\n[data]\nsource = "digits"\n'


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(MINE)
    return path


@pytest.mark.parametrize("name", list_recipes())
def test_every_ready_recipe_is_valid_and_says_where_it_is_from(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.about and recipe.source


def test_overrides_are_toml_and_text_needs_no_quotes(mine: Path) -> None:
    recipe = load_recipe(
        mine,
        ["optimizer.lr=1e-3", "network.name=resnet20_cifar", "network.config.in_channels = 1",
         "data.transforms=['crop:padding=4', 'normalize']", "optimizer.nesterov=false", "epochs=7"],
    )  # fmt: skip
    assert recipe.name == "mine"
    assert recipe.optimizer.lr == 0.001 and recipe.optimizer.nesterov is False
    assert recipe.network.name == "resnet20_cifar" and recipe.network.config["in_channels"] == 1
    assert recipe.data.transforms == ("crop:padding=4", "normalize") and recipe.epochs == 7


@pytest.mark.parametrize("override", ["epochs", "=3", ".x=1", "a..b=1", "epochs.x=1"])
def test_an_override_that_is_none_is_told(mine: Path, override: str) -> None:
    with pytest.raises(UsageError, match="--set"):
        load_recipe(mine, [override])


def test_files_that_are_missing_or_no_toml(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="cannot be read"):
        load_recipe(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_bytes(b"\xff = [")
    with pytest.raises(FileFormatError, match="is no TOML"):
        load_recipe(tmp_path / "bad.toml")
    with pytest.raises(UnknownNameError, match="no recipe"):
        load_recipe("digits_lenett")


texts = st.text(st.characters(exclude_categories=["Cs"]))
plain = st.one_of(
    st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False), texts
)  # fmt: skip
values = st.one_of(plain, st.lists(plain))


@given(st.recursive(st.dictionaries(texts, values), lambda inner: st.dictionaries(texts, st.one_of(values, inner))))  # fmt: skip
def test_what_is_written_is_what_tomllib_reads(data: dict[str, object]) -> None:
    assert tomllib.loads(dumps(data)) == data
