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
from contextlib import contextmanager
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


@contextmanager
def ways_of(
    known: Any, backend: Any, thresholds: Any, image: torch.Tensor
) -> Iterator[tuple[dict[str, Way], Watched]]:
    """The three ways in one backend, and the engine's stages."""
    from steelyard.dynamic.engine import Engine, run_all
    from steelyard.train.exit_budget import stages_of

    digest = known.about.weights_sha256
    with (
        stages_of(known.network, backend, image=image, fingerprint=digest) as stages,
        last_exit(known.network, backend, image) as last,
    ):
        watched = Watched(stages)
        engine = Engine(watched, thresholds)
        yield {"all": lambda x: run_all(stages, x), "last": last, "engine": engine.run}, watched


def row(
    backend: str,
    batch: int,
    batches: list[Any],
    several: dict[str, Way],
    watched: Watched,
    rounds: int,
) -> list[object]:
    """One row of the table; the ways take turns, and a first turn warms up."""
    taken: dict[str, list[float]] = {name: [] for name in several}
    dropping = []
    for _ in range(rounds + 1):
        watched.seconds = 0.0
        for name, way in several.items():
            taken[name].append(seconds(way, batches))
        dropping.append(watched.seconds)
    scale = 1e3 / (batch * len(batches))
    each = {name: scale * statistics.median(found[1:]) for name, found in taken.items()}
    share = scale * statistics.median(dropping[1:]) / each["engine"]
    return [
        backend, batch, *(f"{each[name]:.3f}" for name in ("all", "last", "engine")),
        f"{each['all'] / each['engine']:.2f}", f"{each['last'] / each['engine']:.2f}", f"{share:.1%}",
    ]  # fmt: skip


COLUMNS = [
    "backend", "batch", "all, ms an image", "last, ms", "engine, ms", "all / engine", "last / engine", "dropping",
]  # fmt: skip


def main() -> int:
    """Measures and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", type=Path, default=RUN)
    parser.add_argument("--budget", default="1M")
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()

    import steelyard as sy
    from steelyard.train.budget import divided
    from steelyard.train.exit_budget import BudgetSettings
    from steelyard.train.exit_subject import exit_subject

    if not asked.run.is_dir():
        sy.train("digits_msdnet", run=asked.run, say=print)
    known = exit_subject(asked.run)
    solving, judging = divided(known, 0.5)
    macs = np.array(known.weighed.macs)
    settings = BudgetSettings(asked.budget)
    thresholds = settings.solve(known.outputs.rows(solving), macs, known.about.weights_sha256)
    held_out, images = known.outputs.rows(judging), known.images(judging).numpy()
    loads = {
        1: [images[i : i + 1] for i in range(min(SINGLE, len(images)))],
        BATCH: [images[np.resize(np.arange(len(images)), BATCH)]] * 2,
    }
    rows = []
    for backend in ("eager", "onnxruntime"):
        with ways_of(known, backend, thresholds, torch.from_numpy(images[:1])) as (
            several,
            watched,
        ):
            rows += [
                row(backend, batch, batches, several, watched, asked.rounds)
                for batch, batches in loads.items()
            ]
    exits = thresholds.decide(held_out)
    right, mean = held_out.correct[exits, np.arange(len(exits))].mean(), macs[exits].mean()
    text = "\n".join([
        "# Time that early exits save\n",
        __doc__.split("\n\n", 2)[2].strip() + "\n",
        f"{known.about.network} on {known.about.data}: {macs[-1] / 1e6:.2f} M MACs through all exits, {mean / 1e6:.2f} M on average "
        f"with thresholds for {asked.budget} ({macs[-1] / mean:.2f} times fewer); top-1 {right:.1%} of {len(exits)} images, "
        f"{held_out.correct[-1].mean():.1%} at the last exit.\n",
        markdown(COLUMNS, rows),
        machine(),
    ])  # fmt: skip
    publish("early_exit.md", text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
