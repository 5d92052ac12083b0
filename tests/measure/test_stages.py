"""Stages as ONNX files: the same decisions as in PyTorch, and what is damaged or does not fit is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

import steelyard as sy
from steelyard.dynamic.attach_exits import attach_exits
from steelyard.dynamic.cascade import Cascade
from steelyard.dynamic.engine import Engine
from steelyard.dynamic.policies import Confidence, Patience
from steelyard.dynamic.thresholds import Thresholds
from steelyard.dynamic.torch_stages import TorchStages
from steelyard.errors import FileFormatError, InputError, ShapeError, UsageError
from steelyard.measure.stages.export import export_stages
from steelyard.measure.stages.manifest import load_manifest
from steelyard.measure.stages.onnx_stages import OnnxStages


class Nested(nn.Module):
    """Three exits; the second stage does not read one tensor of its state, which the third does."""

    exits = 3

    def __init__(self, last_classes: int = 5) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.more = nn.ModuleList(nn.Conv2d(4, 4, 3, padding=1) for _ in range(3))
        self.norm = nn.BatchNorm2d(4)
        self.heads = nn.ModuleList(nn.Linear(4, c) for c in (5, 5, last_classes))

    def begin(self, images):
        return {"first": self.stem(images), "again": [images]}

    def advance(self, stage, state):
        here = self.norm(self.more[stage](state["first"])).relu()
        if stage == 2:
            here = here + state["again"][0].mean(1, keepdim=True)
        logits = self.heads[stage](8 * here.mean((2, 3)))
        return logits, {"first": here, "again": state["again"]}

    def forward(self, images):
        state, found = self.begin(images), []
        for stage in range(3):
            logits, state = self.advance(stage, state)
            found.append(logits)
        return found


FINGERPRINT = "ab" * 32


@pytest.fixture(scope="module")
def network() -> Nested:
    torch.manual_seed(3)
    made = Nested()
    for _ in range(5):
        made(torch.randn(32, 3, 8, 8))
    return made.eval()


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randn((16, 3, 8, 8), generator=torch.Generator().manual_seed(5))


@pytest.fixture(scope="module")
def thresholds(network, images) -> Thresholds:
    """Halves of the images go on."""
    with torch.inference_mode():
        best = [one.softmax(-1).amax(-1) for one in network(images)]
    values = [float(one.sort().values[7:9].mean()) for one in best[:2]]
    return Thresholds(Confidence(), tuple(values), model=FINGERPRINT, unit="MACs")


@pytest.fixture(scope="module")
def exported(network, thresholds, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stages") / "net"
    export_stages(
        network, folder, input_shape=(3, 8, 8), thresholds=thresholds, costs={"MACs": (1, 2, 4)},
        classes=tuple("abcde"), transforms=("normalize:mean=0.5,std=0.5",), name="nested",
        fingerprint=FINGERPRINT,
    )  # fmt: skip
    return folder


@pytest.fixture
def copied(exported, tmp_path):
    """A copy to be damaged, and its manifest."""
    for file in exported.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def changed(folder, change) -> None:
    data = json.loads((folder / "stages.json").read_text("utf-8"))
    change(data)
    (folder / "stages.json").write_text(json.dumps(data), "utf-8")


def test_onnx_runtime_decides_as_pytorch_does(network, exported, images, thresholds) -> None:
    onnx = OnnxStages(exported)
    costs = onnx.manifest.costs["MACs"]
    for policy in (thresholds, Thresholds(Patience(), (2.0, 1.9))):
        ours = Engine(TorchStages(network), policy, costs=costs).run(images)
        theirs = Engine(onnx, policy, costs=costs).run(images.numpy())
        assert theirs.exits.tolist() == ours.exits.tolist()
        assert len(set(ours.exits.tolist())) > 1
        assert np.allclose(theirs.logits, ours.logits, atol=1e-5)
        assert theirs.computed == ours.computed
        assert theirs.costs.tolist() == ours.costs.tolist()
    alone = [Engine(onnx, thresholds).run(image[None].numpy()) for image in images]
    whole = Engine(onnx, thresholds).run(images.numpy())
    assert [int(one.exits[0]) for one in alone] == whole.exits.tolist()


def test_the_network_is_left_as_it_was(tmp_path) -> None:
    net = Nested()  # in training mode
    before = {name: value.clone() for name, value in net.state_dict().items()}
    export_stages(net, tmp_path / "a", input_shape=(3, 8, 8))
    assert all(module.training for module in net.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_the_manifest_holds_what_was_given(exported, thresholds) -> None:
    found = load_manifest(exported)
    assert found.thresholds == thresholds
    assert found.classes == tuple("abcde")
    assert (found.network, found.input_shape) == ("nested", (3, 8, 8))
    assert found.costs == {"MACs": (1.0, 2.0, 4.0)}
    assert [one.file for one in found.files] == ["stage_1.onnx", "stage_2.onnx", "stage_3.onnx"]
    assert found.files[2].outputs == ()


OTHERS = {
    "attached": lambda: attach_exits(sy.create("resnet20_cifar"), at=["layer1", "layer2"]),
    "cascade": lambda: Cascade([sy.create("resnet20_cifar", resolution=side) for side in (24, 32)]),
    "ranet": lambda: sy.create("ranet3_lg_cifar", channels=8, growth=4),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", OTHERS)
def test_exits_of_every_kind_decide_alike_in_pytorch_and_onnx_runtime(kind, tmp_path) -> None:
    torch.manual_seed(0)
    network = OTHERS[kind]().eval()
    images = torch.randn(9, 3, 32, 32)
    with torch.inference_mode():
        every = torch.stack(list(network(images)))
    best = every.softmax(-1).amax(-1).sort(1).values
    policy = Thresholds(Confidence(), tuple(float(one) for one in best[:-1, 4:6].mean(1)))
    sure = every.softmax(-1).amax(-1).double().numpy()[:-1] >= np.array(policy.values)[:, None]
    expected = np.where(sure.any(0), sure.argmax(0), len(sure))
    export_stages(network, tmp_path / "net", input_shape=(3, 32, 32))
    for stages in (TorchStages(network), OnnxStages(tmp_path / "net")):
        found = Engine(stages, policy).run(images.numpy())
        assert found.exits.tolist() == expected.tolist()
        scale = float(every.abs().max())
        assert np.allclose(found.logits, every.numpy()[expected, np.arange(9)], atol=1e-5 * scale)


@pytest.mark.slow
def test_compiled_stages_decide_alike(network, images, thresholds) -> None:
    eager = Engine(TorchStages(network), thresholds).run(images)
    compiled = Engine(TorchStages(network, compiled=True), thresholds).run(images)
    assert compiled.exits.tolist() == eager.exits.tolist()
    assert np.allclose(compiled.logits, eager.logits, atol=1e-5)


def test_a_damaged_or_missing_file(copied) -> None:
    content = (copied / "stage_2.onnx").read_bytes()
    (copied / "stage_2.onnx").write_bytes(content[:-1] + b"x")
    with pytest.raises(FileFormatError, match=r"stage_2.onnx is not the file that was exported"):
        OnnxStages(copied)
    (copied / "stage_2.onnx").unlink()
    with pytest.raises(FileFormatError, match=r"stage_2.onnx cannot be read: No such file"):
        OnnxStages(copied)
    with pytest.raises(FileFormatError, match="expected: a folder of exported stages"):
        OnnxStages(copied / "nowhere")


def swap(data) -> None:
    data["files"][0], data["files"][1] = data["files"][1], data["files"][0]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda data: data.update(schema="steelyard.stages/9"), "schema 'steelyard.stages/9'"),
        (lambda data: data.pop("classes"), "KeyError: 'classes'"),
        (swap, "stage 1 returns"),
        (lambda data: data["files"][0].update(file="../stage_1.onnx"), "the name of an ONNX file in the same folder"),
        (lambda data: data["files"].pop(), "and the next takes nothing"),
        (lambda data: data["thresholds"].update(thresholds=[0.5]), "thresholds for 2 exits and 3 stages"),
        (lambda data: data["costs"].update(MACs=[1.0]), "1 costs in MACs and 3 stages"),
        (lambda data: data.update(files=[]), "no stages"),
        (lambda data: data.update(input_shape=[3, 8]), "ValueError"),
        (lambda data: data.update(classes="abcde"), "a list of texts was expected"),
        (lambda data: data.update(network=7), "7 where text was expected"),
    ],
)  # fmt: skip
def test_a_manifest_that_does_not_fit(copied, change, says) -> None:
    changed(copied, change)
    with pytest.raises(FileFormatError) as caught:
        load_manifest(copied)
    assert says in str(caught.value)
    assert "stages.json" in str(caught.value)


def test_no_json_and_thresholds_of_another_network(copied) -> None:
    changed(copied, lambda data: data.update(fingerprint="cd" * 32))
    with pytest.raises(InputError, match="solved for another network"):
        load_manifest(copied)
    (copied / "stages.json").write_text("{", "utf-8")
    with pytest.raises(FileFormatError, match="is no JSON file"):
        load_manifest(copied)


def test_files_of_two_exports(copied) -> None:
    # as the manifest's hash says, but of another stage
    def exchange(data) -> None:
        data["files"][1].update(file="stage_3.onnx", sha256=data["files"][2]["sha256"])

    changed(copied, exchange)
    with pytest.raises(FileFormatError, match=r"stage_3.onnx takes .*\n.*as the manifest says"):
        OnnxStages(copied)


def test_what_cannot_be_exported(network, exported, tmp_path, thresholds) -> None:
    with pytest.raises(UsageError, match="is there and not empty"):
        export_stages(network, exported, input_shape=(3, 8, 8))
    with pytest.raises(ShapeError, match="exit 3 has 4 classes, exit 1 5"):
        export_stages(Nested(4), tmp_path / "a", input_shape=(3, 8, 8))
    with pytest.raises(ShapeError, match="2 names of classes for 5 logits"):
        export_stages(network, tmp_path / "a", input_shape=(3, 8, 8), classes=("a", "b"))
    short = Thresholds(Confidence(), (0.5,))
    with pytest.raises(UsageError, match="thresholds for 2 exits and a network with 3"):
        export_stages(network, tmp_path / "a", input_shape=(3, 8, 8), thresholds=short)
    with pytest.raises(UsageError, match="cannot be run exit by exit"):
        export_stages(nn.Linear(2, 2), tmp_path / "a", input_shape=(3, 8, 8))
    # nothing is left behind
    assert list(tmp_path.iterdir()) == []
