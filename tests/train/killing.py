"""A program: trains in child processes, kills them at random moments, goes on, and lets the last one end.

Arguments: folder, recipe as JSON, number of kills, seed. It forks, so that a kill costs no new start of PyTorch.
"""

import json
import os
import random
import signal
import sys
import time
import warnings
from pathlib import Path

import torch

from steelyard.train import api
from steelyard.train.api import train
from steelyard.train.recipe import recipe_from


def work(folder: Path, recipe: dict[str, object]) -> None:
    """Trains to the end, from wherever the folder stands."""
    begun = (folder / "recipe.toml").exists()
    train(recipe_from(recipe, "small"), run=folder, resume=begun, checkpoint_steps=2)


def child(folder: Path, recipe: dict[str, object]) -> int:
    """Does it in a process of its own; returns its number."""
    number = os.fork()
    if number:
        return number
    code = 1
    try:
        work(folder, recipe)
        code = 0
    finally:
        os._exit(code)


def main(folder: Path, recipe: dict[str, object], kills: int, seed: int) -> None:
    draw = random.Random(seed)
    done = 0
    work(folder / "warm", recipe | {"epochs": 1})  # everything is imported
    started = time.monotonic()
    work(folder / "whole", recipe)
    whole = time.monotonic() - started
    while done < kills:
        number = child(folder / "killed", recipe)
        time.sleep(draw.uniform(0, 0.7 * whole))
        os.kill(number, signal.SIGKILL)
        _, status = os.waitpid(number, 0)
        if not os.WIFSIGNALED(status):
            if os.waitstatus_to_exitcode(status):
                sys.exit("a child failed")
            break  # it had ended before
        done += 1
    _, status = os.waitpid(child(folder / "killed", recipe), 0)
    print(json.dumps({"kills": done, "code": os.waitstatus_to_exitcode(status)}))


if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    api.save_curves = lambda *_, **__: Path()  # half of the time
    main(Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
