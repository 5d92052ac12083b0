"""``steelyard compare``: every difference is B less A."""

import json

import steelyard as sy

# Caffe's LeNet and LeNet-5's padded input differ; ResNet-50 v1.5 moves the stride from the 1x1 to the 3x3 of
# three bottlenecks: there the 1x1 and the 3x3 run on a map four times as large (He et al., 2015; "v1.5").
STAGES = ((256, 128, 28), (512, 256, 14), (1024, 512, 7))


def test_json_is_the_object_of_to_dict_and_the_difference_is_v15s(run_cli) -> None:
    done = run_cli("compare", "resnet50_v1", "resnet50", "--json")
    assert done.code == 0
    data = json.loads(done.out)
    expected = sy.compare(sy.capture("resnet50_v1"), sy.capture("resnet50")).to_dict()
    assert data == json.loads(json.dumps(expected))
    # the 1x1 before the stride gains three quarters of its output positions; the 3x3 keeps its output
    gained = sum(3 * size * size * c * m for c, m, size in STAGES)
    assert data["delta"]["macs"] == gained
    assert data["delta"]["params"] == 0


def test_the_table_shows_the_changed_layers_and_hides_the_same(run_cli) -> None:
    out = run_cli("compare", "resnet50_v1", "resnet50").out
    assert "resnet50_v1 (a) against resnet50 (b)" in out
    assert "layer2.0.conv1" in out
    assert "layer1.0.conv1" not in out
    assert "layer1.0.conv1" in run_cli("compare", "resnet50_v1", "resnet50", "--all").out
