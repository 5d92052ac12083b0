"""``steelyard guidelines``: an experiment by name, as a table, as JSON and as a chart."""

import json
from pathlib import Path


def test_an_experiment_is_repeated(run_cli, tmp_path: Path) -> None:
    done = run_cli("guidelines", "G4", "--rounds", 5, "--json")
    assert done.code == 0
    data = json.loads(done.out)
    assert data["schema"] == "steelyard.guideline-trials/1"
    assert [row["row"] for row in data["rows"]] == ["neither", "ReLU", "shortcut", "ReLU, shortcut"]
    assert data["outcomes"]["G4"]["claim"] == "element-wise operators are not free"
    page = tmp_path / "guidelines.html"
    done = run_cli("guidelines", "G4", "--rounds", 5, "-o", page)
    assert (done.out, done.code) == ("", 0)
    assert "element-wise operators are not free" in page.read_text("utf-8")


def test_what_there_is_not_is_refused(run_cli) -> None:
    done = run_cli("guidelines", "G7")
    assert done.code == 3
    assert "no guideline is named 'G7'" in done.err
    assert run_cli("guidelines", "--scale", 3).code == 2
