"""What stopping at an exit saves in time: the engine against running all exits, in PyTorch and in ONNX Runtime.

Run: ``python benchmarks/early_exit.py [--run FOLDER] [--budget 1M] [--rounds 7]``

RUN is a training of a network with exits; without one `digits_msdnet` is trained in out/ (a minute or two). Thresholds
are solved for the budget on half of the test images; the other half is run one at a time and as batches of 256 (images
repeated to fill them). "all": every exit of every image. "last": as one network without the inner classifiers, for which
ONNX Runtime gets one file. "engine": each image to its exit. Time is that of the processor, of one thread, so other programs
hardly count; ways take turns, medians over the rounds. "dropping": the part of the engine's time in which rows of images
that left are dropped. The table goes to results/early_exit.md.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from common import HERE, machine, markdown, publish

RUN = HERE.parent / "out" / "digits_msdnet"
BATCH = 256
SINGLE = 100
"""Images that are run one at a time."""

Way = Callable[[Any], object]


class LastExit(torch.nn.Module):
    """The network without its inner classifiers."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        state: Any = images
        for i in range(len(self.network.blocks)):
            state = self.network.run_block(i, state)
        return self.network.classify_at(len(self.network.blocks) - 1, state)


class Watched:
    """Stages that note how long dropping rows takes."""

    def __init__(self, stages: Any) -> None:
        self.stages, self.exits, self.fingerprint = stages, stages.exits, stages.fingerprint
        self.begin, self.advance = stages.begin, stages.advance
        self.seconds = 0.0

    def keep(self, state: Any, rows: Any) -> Any:
        begun = time.process_time()
        kept = self.stages.keep(state, rows)
        self.seconds += time.process_time() - begun
        return kept


@contextmanager
def last_exit(network: torch.nn.Module, backend: str, image: torch.Tensor) -> Iterator[Way]:
    """The network without inner classifiers, in that backend."""
    whole = LastExit(network).eval()
    if backend == "eager":

        def eager(images: Any) -> object:
            with torch.inference_mode():
                return whole(torch.from_numpy(images))

        yield eager
        return
    from steelyard.measure.backends.onnx_runtime import open_session
    from steelyard.measure.export import export_module

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "last.onnx"
        pair = image.expand(2, *image.shape[1:])
        export_module(
            whole, (pair,), path, name="last", input_names=("images",), output_names=("logits",)
        )
        session = open_session(str(path), "last")
        yield lambda images: session.run(None, {"images": images})


def seconds(run: Way, batches: list[Any]) -> float:
    """Of the processor, for all batches."""
    begun = time.process_time()
    for one in batches:
        run(one)
    return time.process_time() - begun


def main() -> int:
    """Measures and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", type=Path, default=RUN)
    parser.add_argument("--budget", default="1M")
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()

    import steelyard as sy
    from steelyard.dynamic.engine import Engine, run_all
    from steelyard.train.budget import _parts
    from steelyard.train.exit_budget import BudgetSettings, stages_of
    from steelyard.train.exit_subject import exit_subject

    if not asked.run.is_dir():
        sy.train("digits_msdnet", run=asked.run, say=print)
    known = exit_subject(asked.run)
    solving, judging = _parts(known, 0.5)
    digest = known.about.weights_sha256
    thresholds = BudgetSettings(asked.budget).solve(
        known.outputs.rows(solving), known.weighed.macs, digest
    )
    held_out = known.outputs.rows(judging)
    exits = thresholds.decide(held_out)
    macs = np.array(known.weighed.macs)
    images = known.images(judging).numpy()
    loads = {
        1: [images[i : i + 1] for i in range(min(SINGLE, len(images)))],
        BATCH: [images[np.resize(np.arange(len(images)), BATCH)]] * 2,
    }
    rows = []
    with ExitStack() as held:
        ways: dict[str, dict[str, Way]] = {}
        watched: dict[str, Watched] = {}
        example = torch.from_numpy(images[:1])
        for backend in ("eager", "onnxruntime"):
            stages = held.enter_context(
                stages_of(known.network, backend, image=example, fingerprint=digest)
            )
            watched[backend] = Watched(stages)
            ways[backend] = {
                "all": lambda x, stages=stages: run_all(stages, x),
                "last": held.enter_context(last_exit(known.network, backend, example)),
                "engine": Engine(watched[backend], thresholds).run,
            }
        for batch, batches in loads.items():
            taken: dict[tuple[str, str], list[float]] = {}
            dropping: dict[str, list[float]] = {}
            for turn in range(asked.rounds + 1):  # the first warms up
                for backend, several in ways.items():
                    watched[backend].seconds = 0.0
                    for name, way in several.items():
                        spent = seconds(way, batches)
                        if turn:
                            taken.setdefault((backend, name), []).append(spent)
                    dropping.setdefault(backend, []).append(watched[backend].seconds)
            count = batch * len(batches)
            for backend in ways:
                each = {
                    name: 1e3 * statistics.median(taken[backend, name]) / count
                    for name in ways[backend]
                }
                share = 1e3 * statistics.median(dropping[backend][1:]) / count / each["engine"]
                rows.append([
                    backend, batch, *(f"{each[name]:.3f}" for name in ("all", "last", "engine")),
                    f"{each['all'] / each['engine']:.2f}", f"{each['last'] / each['engine']:.2f}", f"{share:.1%}",
                ])  # fmt: skip
    right = held_out.correct[exits, np.arange(len(exits))].mean()
    mean = macs[exits].mean()
    text = "\n".join([
        "# Time that early exits save\n",
        __doc__.split("\n\n", 2)[2].strip() + "\n",
        f"{known.about.network} on {known.about.data}: {macs[-1] / 1e6:.2f} M MACs through all exits, {mean / 1e6:.2f} M on average "
        f"with thresholds for {asked.budget} ({macs[-1] / mean:.2f} times fewer); top-1 {right:.1%} of {len(exits)} images, "
        f"{held_out.correct[-1].mean():.1%} at the last exit.\n",
        markdown(["backend", "batch", "all, ms an image", "last, ms", "engine, ms", "all / engine", "last / engine", "dropping"], rows),
        machine(),
    ])  # fmt: skip
    publish("early_exit.md", text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
