"""The file's name chooses the form, the same in every verb: .txt, .md, .csv, .json and what a verb draws."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import click
import pytest

from steelyard import cli

TABLES = {
    "cost": ("cost", "lenet_caffe"),
    "compare": ("compare", "lenet_caffe", "lenet5"),
    "devices": ("devices",),
    "device": ("devices", "eyeriss"),
    "estimate": ("estimate", "lenet_caffe", "--device", "shidiannao_like"),
    "estimates": ("estimate", "lenet_caffe", "--device", "shidiannao_like", "--device", "eyeriss"),
    "models": ("models", "lenet*"),
    "roofline": ("roofline", "lenet_caffe", "--device", "tpu_v1"),
    "bounds": ("roofline", "lenet_caffe", "--device", "tpu_v1", "--steps"),
    "systolic": ("systolic", "lenet_caffe", "--array", "8x8"),
    "tables": ("tables", "networks", "lenet5"),
    "train": ("train", "--list"),
    "data": ("data",),
}


@pytest.mark.parametrize("args", TABLES.values(), ids=TABLES)
def test_the_ending_chooses_the_form(run_cli, tmp_path: Path, args: tuple[str, ...]) -> None:
    for ending, form in (("csv", "csv"), ("json", "json"), ("MD", "md"), ("txt", "table")):
        file = tmp_path / f"out.{ending}"
        done = run_cli(*args, "-o", file)
        assert (done.code, done.out) == (0, "")
        assert without_times(file.read_bytes().decode()) == without_times(
            run_cli(*args, "--format", form).out
        )
    rows = list(csv.reader((tmp_path / "out.csv").read_text("utf-8").splitlines()))
    assert len(rows) > 1 and len({len(row) for row in rows}) == 1
    assert "schema" in json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert "|" in (tmp_path / "out.MD").read_text("utf-8")


def without_times(text: str) -> str:
    """How long a search took differs."""
    return re.sub(r"known before, [\d.]+ s|\"seconds\": [\d.e-]+", "", text)


def leaves(command: click.Command, *path: str) -> list[tuple[str, ...]]:
    """Every verb that can be called, e.g. ("tables", "networks")."""
    own = [path] if not isinstance(command, click.Group) or command.invoke_without_command else []
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            below = command.get_command(click.Context(command), name)
            assert below is not None
            own += leaves(below, *path, name)
    return own


VERBS = [verb for verb in leaves(cli._GROUP) if verb]


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_an_unknown_ending_is_told_before_any_work(
    run_cli, tmp_path: Path, verb: tuple[str, ...]
) -> None:
    command: click.Command = cli._GROUP
    for name in verb:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found
    needed = [
        "x" for p in command.params if isinstance(p, click.Argument) and p.required
    ]  # what is asked for does not matter yet
    for option in command.params:
        if isinstance(option, click.Option) and option.required:
            needed += [option.opts[0], "1" if option.type is click.INT else __file__]
    done = run_cli(*verb, *needed, "-o", tmp_path / "out.xlsx")
    assert done.code == 2
    if verb != ("optimize",):
        assert re.search(
            r"error: nothing can be written as '.*out\.xlsx'\n  expected: a name that ends in .*\.json",
            done.err,
        )
    assert not any(tmp_path.iterdir())


def test_an_option_goes_before_the_name(run_cli, tmp_path: Path) -> None:
    for name in ("out.xlsx", "out.csv", "out"):
        assert run_cli("models", "lenet5", "--json", "-o", tmp_path / name).code == 0
        assert json.loads((tmp_path / name).read_text("utf-8"))
    assert run_cli("models", "lenet*", "-o", tmp_path / "plain").code == 0
    assert (tmp_path / "plain").read_text("utf-8") == run_cli("models", "lenet*").out


def test_what_a_verb_writes_itself(run_cli, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    assert run_cli("devices", "eyeriss", "-o", mine).code == 0
    assert mine.read_text() == run_cli("devices", "eyeriss", "--yaml").out
    assert run_cli("devices", "eyeriss*", "-o", mine).code == 2
    page = tmp_path / "page.html"
    done = run_cli("cost", "lenet_caffe", "-o", page)
    assert done.code == 2 and ".html" not in done.err.split("expected")[1]
    estimate = ("estimate", "lenet_caffe", "--device", "shidiannao_like", "--mapping", "conv1")
    done = run_cli(*estimate, "-o", page)
    assert done.code == 2 and "a page has every mapping" in done.err
    assert not page.exists()


def test_what_is_not_to_be_had_is_printed_all_the_same(run_cli, tmp_path: Path) -> None:
    done = run_cli("train", "--list", "-o", tmp_path / "list.toml")
    assert done.code == 0 and "list.toml is not written" in done.err
    assert done.out == run_cli("train", "--list").out
    assert not any(tmp_path.iterdir())
