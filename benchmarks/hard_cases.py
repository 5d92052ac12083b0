"""Which counters get which of the hard networks right: every peer on every case, as a table.

Run: ``python benchmarks/hard_cases.py [--peers fvcore,thop] [--cases attention]``
Writes results/hard_cases.md. The cases and their true costs are in tests/capture/hard_cases.py.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from common import HERE, in_child, machine, markdown, publish
from peers import PEERS, STEELYARD, Peer, available


def load_cases() -> list[Any]:
    """The list of the test suite."""
    path = HERE.parent / "tests" / "capture" / "hard_cases.py"
    spec = importlib.util.spec_from_file_location("steelyard_hard_cases", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"cannot read {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return list(module.CASES)


class Written(TorchDispatchMode):
    """Adds up the elements that all operators write."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        self.elements += sum(t.numel() for t in tree_leaves(out) if isinstance(t, torch.Tensor))
        return out


def allowed_surplus(case: Any) -> int:
    """Four operations for each element that any operator writes: a bound on all that is not a product."""
    module, args, kwargs = case.build()
    with torch.no_grad(), Written() as written:
        module(*args, **kwargs)
    return 4 * written.elements


def judge(peer: Peer, case: Any) -> str:
    """``yes``, a wrong value as a fraction of the truth, or the error's name."""
    warnings.simplefilter("ignore")
    state, value = in_child(lambda: peer.count(*case.build()))
    if state != "ok":
        return f"*{str(value).split(':')[0]}*"
    surplus = allowed_surplus(case) if peer.has_surplus and value > case.macs else 0
    if case.macs <= value <= case.macs + surplus:
        return "yes"
    return f"{value / case.macs:.2f}x" if value else "0"


def main() -> None:
    """Reads options, prints and writes the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--peers", default=",".join(PEERS), help="names, comma-separated")
    parser.add_argument("--cases", default="", help="only cases whose name contains this")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    usable, missing = available([name for name in options.peers.split(",") if name])
    columns = [STEELYARD, *usable]
    for peer in columns:  # so that every child starts with the libraries loaded
        peer.count(torch.nn.Linear(2, 2), (torch.zeros(1, 2),), {})
    cases = [case for case in load_cases() if options.cases in case.name]
    rows, right = [], dict.fromkeys((peer.name for peer in columns), 0)
    for case in cases:
        verdicts = [judge(peer, case) for peer in columns]
        for peer, verdict in zip(columns, verdicts, strict=True):
            right[peer.name] += verdict == "yes"
        rows.append([f"`{case.name}`: {case.note}", f"{case.macs:,}", *verdicts])
        print(f"{case.name}: {' '.join(verdicts)}", file=sys.stderr)
    rows.append([f"**right, of {len(cases)}**", "", *(f"**{n}**" for n in right.values())])
    text = [
        "# Hard cases: which counter is right where",
        "",
        "True multiply-accumulates by formula (tests/capture/hard_cases.py), each counter normalised to",
        "them as described in benchmarks/peers.py. `yes` right; `0.50x` wrong value, as a share of the",
        "truth, `0` nothing found; *italics* the error it stopped with. A counter that mixes other operations into its",
        "total (ptflops) is right up to four operations for each element written.",
        "",
        *(f"- {peer.name} {peer.version}: {peer.note}" for peer in columns),
        *(f"- {name}: not run: {why}" for name, why in missing.items()),
        "",
        markdown(["case", "MACs", *right], rows),
        "",
        machine(),
    ]
    publish("hard_cases.md", "\n".join(text))


if __name__ == "__main__":
    main()
