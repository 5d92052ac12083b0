"""torch.export archives: params and MACs against formulas written out by hand, for every form of graph."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from steelyard.capture.exported import capture_exported
from steelyard.capture.rules import Call, Draft, default_rules
from steelyard.errors import DataDependentError, FileFormatError, UnknownNameError
from steelyard.workload import Workload

# torch warns itself of what torch does
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Complex modules:UserWarning"),
]

Form = Callable[[nn.Module, tuple[Any, ...]], torch.export.ExportedProgram]

FORMS: dict[str, Form] = {
    "nonstrict": lambda model, args: torch.export.export(model, args),
    "strict": lambda model, args: torch.export.export(model, args, strict=True),
    "decomposed": lambda model, args: torch.export.export(model, args).run_decompositions(),
}


def _save(program: torch.export.ExportedProgram, path: Path) -> Path:
    torch.export.save(program, path)
    return path


def _weigh(
    model: nn.Module, args: tuple[Any, ...], path: Path, form: str = "nonstrict"
) -> Workload:
    return capture_exported(_save(FORMS[form](model.eval(), args), path / "net.pt2"))


class ConvNet(nn.Module):
    """Strided, depthwise, pointwise, dilated and transposed convolutions, BN, a residual, a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(8)
        self.block = nn.Sequential(
            nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False), nn.ReLU6(), nn.Conv2d(8, 8, 1)
        )
        self.dilated = nn.Conv2d(8, 12, 3, padding=2, dilation=2)
        self.up = nn.ConvTranspose2d(12, 4, 2, stride=2, groups=2)
        self.fc = nn.Linear(4, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.bn(self.stem(x)))
        x = x + self.block(x)
        x = F.dropout(self.up(self.dilated(x)), 0.5, self.training)
        return self.fc(x.mean((2, 3)))


# N M P Q (C/G) R S of each layer, for an input (2, 3, 32, 32); the transposed one N C H W (M/G) R S
CONVNET_MACS = {
    "stem": 2 * 8 * 16 * 16 * 3 * 3 * 3,
    "block.0": 2 * 8 * 16 * 16 * (8 // 8) * 3 * 3,
    "block.2": 2 * 8 * 16 * 16 * 8,
    "dilated": 2 * 12 * 16 * 16 * 8 * 3 * 3,
    "up": 2 * 12 * 16 * 16 * (4 // 2) * 2 * 2,
    "fc": 2 * 10 * 4,
}
CONVNET_PARAMS = (
    8 * 3 * 9 + 2 * 8 + 8 * 9 + (8 * 8 + 8) + (12 * 8 * 9 + 12) + (12 * 2 * 4 + 4) + (10 * 4 + 10)
)


@pytest.mark.parametrize("form", FORMS)
def test_a_convolutional_network_costs_what_the_formulas_say(tmp_path: Path, form: str) -> None:
    load = _weigh(ConvNet(), (torch.zeros(2, 3, 32, 32),), tmp_path, form)
    assert {layer.module: layer.macs for layer in load.layers if layer.macs} == CONVNET_MACS
    assert load.params == CONVNET_PARAMS
    assert load.unused_params == 0
    assert load.coverage.unknown == ()
    assert load.warnings == ()
    assert load.source == "pt2" and load.name == "net"
    assert [load.tensor(name).shape for name in (*load.inputs, *load.outputs)] == [
        (2, 3, 32, 32),
        (2, 10),
    ]


def test_layers_carry_module_kind_operands_and_loops(tmp_path: Path) -> None:
    load = _weigh(ConvNet(), (torch.zeros(2, 3, 32, 32),), tmp_path)
    depthwise = load.layer("block.0")
    assert (depthwise.op, depthwise.kind, depthwise.module_type) == (
        "aten.conv2d",
        "conv",
        "Conv2d",
    )
    assert depthwise.nest is not None and depthwise.nest.is_depthwise
    assert depthwise.params == ("block.0.weight",)
    assert load.layer("bn").params == ("bn.weight", "bn.bias", "bn.running_mean", "bn.running_var")
    assert load.tensor("bn.running_mean").role == "buffer"
    residual = load.layer("add")
    assert residual.module == "" and residual.inputs == ("relu", "block.2")
    up = load.layer("up").nest
    assert up is not None and up.transposed
    dilated = load.layer("dilated").nest
    assert dilated is not None and dilated.dilation == (2, 2)
    # dropout does nothing in evaluation
    dropout = next(layer for layer in load.layers if layer.op == "aten.dropout")
    assert dropout.kind == "view" and load.tensor(dropout.outputs[0]).alias_of == "up"
    # every tensor is written before it is read
    known = set(load.inputs) | {t.name for t in load.tensors if t.role != "activation"}
    for layer in load.layers:
        assert known.issuperset(layer.inputs)
        known.update(layer.outputs)


def test_a_module_that_is_called_twice_counts_twice_but_has_its_weights_once(
    tmp_path: Path,
) -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(nn.Linear(6, 6), nn.Tanh())

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner(self.inner(x))

    load = _weigh(Twice(), (torch.zeros(5, 6),), tmp_path)
    assert load.macs == 2 * 5 * 6 * 6 and load.params == 6 * 6 + 6
    names = [layer.name for layer in load.layers]
    assert names == ["inner.0", "inner.1", "inner.0#2", "inner.1#2"]


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(50, 8), nn.Linear(8, 50, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.embed(x))


@pytest.mark.parametrize("form", FORMS)
def test_tied_weights_are_one_parameter(tmp_path: Path, form: str) -> None:
    load = _weigh(Tied(), (torch.zeros(2, 7, dtype=torch.int64),), tmp_path, form)
    assert load.params == 50 * 8 and load.unused_params == 0
    assert load.macs == 2 * 7 * 8 * 50


def test_weights_without_data_are_not_taken_for_one_another(tmp_path: Path) -> None:
    """On the meta device all weights are stored as the same, empty, member."""
    with torch.device("meta"):
        model, x = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)), torch.zeros(2, 4)
    assert _weigh(model, (x,), tmp_path).params == 2 * (4 * 4 + 4)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(16, 48), nn.Linear(16, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, t, c = x.shape
        q, k, v = self.qkv(x).reshape(n, t, 3, 4, 4).permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v)
        return self.out(y.transpose(1, 2).reshape(n, t, c))


@pytest.mark.parametrize("form", FORMS)
def test_attention(tmp_path: Path, form: str) -> None:
    load = _weigh(Attention(), (torch.zeros(2, 9, 16),), tmp_path, form)
    heads, tokens, width = 4, 9, 4
    products = 2 * (2 * heads * tokens * tokens * width)
    assert load.macs == 2 * tokens * 16 * 48 + products + 2 * tokens * 16 * 16
    assert load.params == 16 * 48 + 48 + 16 * 16 + 16
    assert load.coverage.unknown == ()


def test_reshapes_are_views_only_where_strides_allow(tmp_path: Path) -> None:
    load = _weigh(Attention(), (torch.zeros(2, 9, 16),), tmp_path)
    first, last = (layer for layer in load.layers if layer.op == "aten.reshape")
    assert first.kind == "view" and load.tensor(first.outputs[0]).alias_of == "qkv"
    # attention writes (N, heads, T, width) in such strides that its transpose is contiguous
    program = torch.export.export(Attention().eval(), (torch.zeros(2, 9, 16),))
    node = next(n for n in program.graph.nodes if n.name == "scaled_dot_product_attention")
    free = node.meta["val"].transpose(1, 2).is_contiguous()
    assert last.kind == ("view" if free else "copy")


class First(nn.Module):
    """The first result of a module that has several."""

    def __init__(self, inner: nn.Module, copies: int = 1) -> None:
        super().__init__()
        self.inner = inner
        self.copies = copies

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(*(x,) * self.copies)[0]


def _lstm() -> nn.Module:
    return First(nn.LSTM(6, 5, num_layers=2, bidirectional=True, batch_first=True))


# 4 gates, 2 directions; the second layer reads both directions of the first
LSTM_GATES = 2 * (4 * 5 * (6 + 5) + 4 * 5 * (10 + 5))

# network, input, MACs, parameters
FORMULAS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int, int]] = {
    "lstm": (_lstm, (3, 7, 6), 3 * 7 * LSTM_GATES, LSTM_GATES + 2 * 2 * 2 * 4 * 5),
    "gru": (lambda: First(nn.GRU(6, 5)), (7, 3, 6), 7 * 3 * 3 * 5 * 11, 3 * 5 * (11 + 2)),
    "multi-head attention": (
        lambda: First(nn.MultiheadAttention(8, 2, batch_first=True), 3),
        (2, 5, 8),
        2 * 5 * 8 * 24 + 2 * (2 * 2 * 5 * 5 * 4) + 2 * 5 * 8 * 8,
        8 * 24 + 24 + 8 * 8 + 8,
    ),
    "weight norm": (
        lambda: torch.nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3)),
        (1, 3, 8, 8),
        4 * 6 * 6 * 3 * 9,
        4 * 27 + 4 + 4,
    ),
    "1-d, same padding, groups": (
        lambda: nn.Conv1d(4, 4, 3, padding="same", groups=2),
        (2, 4, 10),
        2 * 4 * 10 * 2 * 3,
        4 * 2 * 3 + 4,
    ),
    "3-d": (lambda: nn.Conv3d(2, 4, 3), (1, 2, 5, 6, 7), 4 * 3 * 4 * 5 * 2 * 27, 4 * 2 * 27 + 4),
}


@pytest.mark.filterwarnings("ignore:The tensor attributes:UserWarning")  # an LSTM's flat weights
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("what", FORMULAS)
def test_other_layers_cost_what_the_formulas_say(tmp_path: Path, what: str, form: str) -> None:
    make, shape, macs, params = FORMULAS[what]
    load = _weigh(make(), (torch.zeros(shape),), tmp_path, form)
    assert (load.macs, load.params, load.unused_params) == (macs, params, 0)
    assert load.coverage.unknown == ()


@pytest.mark.parametrize("form", FORMS)
def test_a_dynamic_batch_is_counted_as_in_the_example(tmp_path: Path, form: str) -> None:
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(
        ConvNet().eval(), (torch.zeros(2, 3, 32, 32),), dynamic_shapes=({0: batch},),
        strict=form == "strict",
    )  # fmt: skip
    if form == "decomposed":
        program = program.run_decompositions()
    load = capture_exported(_save(program, tmp_path / "net.pt2"))
    assert load.macs == sum(CONVNET_MACS.values()) and load.params == CONVNET_PARAMS
    (warning,) = load.warnings
    assert warning.startswith("sizes that the export left open are counted as in its example: s")
    assert warning.endswith(" = 2")


def test_a_size_that_depends_on_data_is_an_error(tmp_path: Path) -> None:
    class Net(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.nonzero()

    with pytest.raises(
        DataDependentError, match="a size that depends on data, and the file records"
    ):
        _weigh(Net(), (torch.ones(4),), tmp_path)


def test_many_results_constants_and_results_that_are_no_tensors(tmp_path: Path) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = torch.ones(3)

        def forward(self, x: torch.Tensor, pick: dict[str, torch.Tensor]) -> Any:
            a, b, c = x.split([1, 2, 3], dim=1)
            values, indices = b.max(1)
            y = torch.cat([a, c], 1)[:, pick["index"]] * torch.tensor(2.0)
            return {"y": y, "rest": [values, indices, None, 7], "scaled": self.scale * 2}

    load = _weigh(Net(), (torch.zeros(4, 6), {"index": torch.tensor([0, 1])}), tmp_path)
    split = next(layer for layer in load.layers if layer.op == "aten.split_with_sizes")
    assert [load.tensor(n).shape for n in split.outputs] == [(4, 1), (4, 2), (4, 3)]
    assert {load.tensor(n).alias_of for n in split.outputs} == {"x"}
    assert [load.tensor(n).shape for n in load.outputs] == [(4, 2), (4,), (4,), (3,)]
    assert load.tensor("scale").role == "constant"
    assert len(load.inputs) == 2 and load.coverage.unknown == () and load.params == 0


def test_training_mode_updates_buffers_and_inputs_in_place(tmp_path: Path) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bn = nn.BatchNorm1d(4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x.add_(1)
            return self.bn(x)

    program = torch.export.export(Net(), (torch.zeros(8, 4),))
    for name, each in (("train", program), ("functional", program.run_decompositions())):
        load = capture_exported(_save(each, tmp_path / f"{name}.pt2"))
        assert load.params == 8 and [load.tensor(n).shape for n in load.outputs] == [(8, 4)]
        assert load.coverage.unknown == ()
        written = [layer for layer in load.layers if layer.inplace]
        assert bool(written) == (name == "train")
        for layer in written:
            assert load.tensor(layer.outputs[0]).alias_of in ("x", "bn.num_batches_tracked")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.complex64])
def test_dtypes(tmp_path: Path, dtype: torch.dtype) -> None:
    load = _weigh(nn.Linear(4, 3).to(dtype), (torch.zeros(2, 4, dtype=dtype),), tmp_path)
    assert {t.dtype for t in load.tensors} == {str(dtype).removeprefix("torch.")}
    assert load.macs == 2 * 4 * 3


def test_every_dtype_of_the_schema_has_torchs_size_and_name() -> None:
    from torch._export.serde.schema import ScalarType
    from torch._export.serde.serialize import _SERIALIZE_TO_TORCH_DTYPE

    from steelyard.capture.exported_values import SCALAR_TYPES
    from steelyard.workload import DTYPE_BITS

    theirs = {code: str(t).removeprefix("torch.") for code, t in _SERIALIZE_TO_TORCH_DTYPE.items()}
    assert theirs.items() <= SCALAR_TYPES.items()
    assert set(SCALAR_TYPES) == {int(code) for code in ScalarType} - {0}
    for code, name in theirs.items():
        assert DTYPE_BITS[name] == 8 * _SERIALIZE_TO_TORCH_DTYPE[code].itemsize


def test_quantised_operators_of_a_pt2e_graph(tmp_path: Path) -> None:
    import torch.ao.quantization.fx._decomposed

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            space = torch.ops.quantized_decomposed
            q = space.quantize_per_tensor(x, 0.1, 0, -128, 127, torch.int8)
            return self.fc(space.dequantize_per_tensor(q, 0.1, 0, -128, 127, torch.int8))

    load = _weigh(Net(), (torch.zeros(2, 4),), tmp_path)
    assert [layer.kind for layer in load.layers] == ["quantize", "quantize", "linear"]
    assert load.tensor(load.layers[0].outputs[0]).dtype == "int8"


def test_an_operator_without_a_rule_is_named_and_a_rule_can_be_given(tmp_path: Path) -> None:
    @torch.library.custom_op("steelyard_test::twist", mutates_args=())
    def twist(x: torch.Tensor, turns: int) -> torch.Tensor:
        return x * turns

    @twist.register_fake
    def _(x: torch.Tensor, turns: int) -> torch.Tensor:
        return torch.empty_like(x)

    class Net(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return twist(x, 3)

    path = _save(torch.export.export(Net(), (torch.zeros(4, 5),)), tmp_path / "net.pt2")
    load = capture_exported(path)
    assert load.coverage.unknown == (("steelyard_test.twist", 1),)
    assert "no rule knows steelyard_test.twist (1x)" in load.warnings[0]

    def rule(call: Call) -> Draft:
        turns = call.get(1, "turns")
        assert isinstance(turns, int)
        return Draft("elementwise", ops=turns * call.out_elements)

    rules = default_rules().with_rules({"steelyard_test.twist": rule})
    assert capture_exported(path, rules=rules).layers[0].ops == 3 * 4 * 5


def test_a_rule_that_cannot_read_a_call_leaves_it_unknown(tmp_path: Path) -> None:
    def rule(call: Call) -> Draft:
        raise KeyError("weight")

    path = _save(torch.export.export(nn.Linear(4, 3), (torch.zeros(2, 4),)), tmp_path / "n.pt2")
    load = capture_exported(path, rules=default_rules().with_rules({"aten.linear": rule}))
    assert load.coverage.unknown == (("aten.linear", 1),)
    assert "graph.nodes[0] (aten.linear) does not fit its rule" in load.warnings[0]


def test_the_older_layout(tmp_path: Path) -> None:
    """``serialized_exported_program.json`` at the root, and arguments that do not say their kind."""
    from torch._export.serde.serialize import serialize

    program = torch.export.export(ConvNet().eval(), (torch.zeros(2, 3, 32, 32),))
    document = json.loads(serialize(program).exported_program)
    for node in document["graph_module"]["graph"]["nodes"]:
        for argument in node["inputs"]:
            del argument["kind"]
    with zipfile.ZipFile(tmp_path / "old.pt2", "w") as archive:
        archive.writestr("serialized_exported_program.json", json.dumps(document))
        archive.writestr("version", "8.8")
        archive.writestr("serialized_state_dict.pt", b"not read")
    load = capture_exported(tmp_path / "old.pt2")
    assert {layer.module: layer.macs for layer in load.layers if layer.macs} == CONVNET_MACS
    assert load.params == CONVNET_PARAMS


def _rewrite(path: Path, change: Callable[[str, bytes], tuple[str, bytes] | None]) -> Path:
    """A copy of an archive, each member (name without the root folder, data) changed or left out."""
    copy = path.with_name("copy.pt2")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(copy, "w") as new:
        for info in old.infolist():
            root, _, rest = info.filename.partition("/")
            changed = change(rest, old.read(info))
            if changed is not None:
                new.writestr(f"{root}/{changed[0]}", changed[1])
    return copy


def test_an_archive_of_several_models_asks_which(tmp_path: Path) -> None:
    from torch.export.pt2_archive._package import package_pt2

    programs = {
        "small": torch.export.export(nn.Linear(4, 3), (torch.zeros(2, 4),)),
        "large": torch.export.export(nn.Linear(4, 30), (torch.zeros(2, 4),)),
    }
    path = tmp_path / "both.pt2"
    package_pt2(str(path), exported_programs=programs)
    assert capture_exported(path, model="large").macs == 2 * 4 * 30
    assert capture_exported(path, model="small", name="tiny").name == "tiny"
    with pytest.raises(UnknownNameError, match="try: model='small' or 'large'"):
        capture_exported(path)


class _Bomb:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.canary,))


def test_no_code_in_the_archive_is_run(tmp_path: Path) -> None:
    """Every pickle of the archive is replaced by one that leaves a trace when it is loaded."""
    path = _save(
        torch.export.export(ConvNet().eval(), (torch.zeros(2, 3, 32, 32),)), tmp_path / "n.pt2"
    )
    canary = tmp_path / "canary"
    bomb = pickle.dumps(_Bomb(canary))
    pickle.loads(bomb)
    assert canary.exists()  # the bomb works
    canary.unlink()

    def arm(name: str, data: bytes) -> tuple[str, bytes]:
        keep = name.endswith((".json", "archive_format", "version", "byteorder"))
        return name, data if keep else bomb

    armed = _rewrite(path, arm)
    with zipfile.ZipFile(armed) as archive:
        assert sum(archive.read(name) == bomb for name in archive.namelist()) > 5
    assert capture_exported(armed).params == CONVNET_PARAMS
    assert not canary.exists()


def test_torch_is_not_even_imported(tmp_path: Path) -> None:
    path = _save(
        torch.export.export(ConvNet().eval(), (torch.zeros(2, 3, 32, 32),)), tmp_path / "n.pt2"
    )
    code = (
        "import sys; from steelyard.capture.exported import capture_exported; "
        f"print(capture_exported({str(path)!r}).macs, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(sum(CONVNET_MACS.values())), "False"]


def test_files_that_are_no_archive_of_torch_export(tmp_path: Path) -> None:
    path = tmp_path / "net.pt2"
    torch.save({"weight": torch.zeros(3)}, path)
    with pytest.raises(
        FileFormatError, match=r"is a PyTorch checkpoint .*\nexpected: a torch.export"
    ):
        capture_exported(path)
    path.write_bytes(pickle.dumps([1]))
    with pytest.raises(
        FileFormatError, match=r"is a Python pickle: .*\n.*\ntry: export the network"
    ):
        capture_exported(path)
    with pytest.raises(FileFormatError, match="there is no file"):
        capture_exported(tmp_path / "none.pt2")
