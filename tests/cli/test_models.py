"""``steelyard models``: the list, a pattern, and one network's details."""

import csv
import json

import steelyard as sy


def test_all_networks_are_listed(run_cli) -> None:
    rows = list(csv.DictReader(run_cli("models", "--format", "csv").out.splitlines()))
    assert [row["name"] for row in rows] == sy.list_models()
    alexnet = next(row for row in rows if row["name"] == "alexnet")
    assert (alexnet["year"], alexnet["input"]) == ("2012", "1x3x227x227")


def test_a_pattern_chooses(run_cli) -> None:
    data = json.loads(run_cli("models", "vgg1[69]", "--json").out)
    assert data["schema"] == "steelyard.models/1"
    assert [model["name"] for model in data["models"]] == ["vgg16", "vgg19"]


def test_one_network_shows_its_settings(run_cli) -> None:
    out = run_cli("models", "resnet50").out
    assert "num_classes=1000: classes, the size of the last layer (int)" in out
    assert "Deep Residual Learning for Image Recognition" in out
    assert "weights: torchvision:IMAGENET1K_V1, torchvision:IMAGENET1K_V2" in out


def test_no_match_offers_the_nearest(run_cli) -> None:
    done = run_cli("models", "vgg61")
    assert done.code == 3
    assert "no network is named 'vgg61'" in done.err
    assert "vgg16" in done.err
