"""A program: forks processes that find each other as those of torchrun do, and prints what came of each as JSON.

Arguments: what to do (a function below), folder, JSON. Forks cost no new start of PyTorch.
"""

import json
import os
import random
import signal
import socket
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from steelyard.train import api
from steelyard.train.api import train
from steelyard.train.batch_norm import synchronized
from steelyard.train.evaluate import evaluate
from steelyard.train.processes import joined
from steelyard.train.recipe import recipe_from
from steelyard.train.run import Run

CPU = torch.device("cpu")
Work = Callable[[int], Any]


def begun(world: int, work: Work, folder: Path) -> list[int]:
    """Forks; the children's numbers."""
    with socket.socket() as any_:
        any_.bind(("127.0.0.1", 0))
        port = any_.getsockname()[1]
    numbers = []
    for rank in range(world):
        number = os.fork()
        if not number:
            os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world)}
            os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
            said: Any = None
            try:
                said = work(rank)
            except BaseException as error:
                said = {"error": type(error).__name__, "text": str(error)}
            finally:
                (folder / f"rank{rank}.json").write_text(json.dumps(said))
                os._exit(0)
        numbers.append(number)
    return numbers


def done(numbers: list[int], folder: Path) -> list[Any]:
    """What each said; None of one that was killed."""
    said = []
    for rank, number in enumerate(numbers):
        _, status = os.waitpid(number, 0)
        killed = os.WIFSIGNALED(status)
        said.append(None if killed else json.loads((folder / f"rank{rank}.json").read_text()))
    return said


def training(folder: Path, tables: dict[str, Any], **how: Any) -> Work:
    def work(rank: int) -> list[str]:
        said: list[str] = []
        resume = (folder / "recipe.toml").exists()
        recipe = recipe_from(tables, "small")
        train(recipe, run=folder, device="cpu", resume=resume, say=said.append, **how)
        return said

    return work


def batch_norm(folder: Path, told: dict[str, Any]) -> Any:
    """Shares of one batch, normalised together, beside the library's normalisation of the whole."""
    sizes = told["sizes"]

    def work(rank: int) -> dict[str, float]:
        torch.manual_seed(0)
        x = torch.randn(sum(sizes), 3, 4, 2, dtype=torch.float64) * 3 + 100
        weight_of_outputs = torch.randn_like(x)
        one = nn.Sequential(nn.BatchNorm2d(3, momentum=told["momentum"]).double())
        nn.init.normal_(one[0].weight), nn.init.normal_(one[0].bias)
        many = nn.Sequential(nn.BatchNorm2d(3, momentum=told["momentum"]).double())
        many.load_state_dict(one.state_dict())
        synchronized(many)
        low = sum(sizes[:rank])
        here = slice(low, low + sizes[rank])
        whole, share = x.clone().requires_grad_(), x[here].clone().requires_grad_()
        with joined(CPU) as group:
            out, out_share = one(whole), many(share)
            (out * weight_of_outputs).sum().backward()
            (out_share * weight_of_outputs[here]).sum().backward()
            sums = [group.total(p.grad.clone()) for p in many.parameters()]
            again = many(share)  # running statistics of a second batch
            one(whole)
            group.total(again.sum().detach())
        assert whole.grad is not None and share.grad is not None
        pairs = {
            "output": (out[here], out_share),
            "input gradient": (whole.grad[here], share.grad),
            "weight gradient": (one[0].weight.grad, sums[0]),
            "bias gradient": (one[0].bias.grad, sums[1]),
            "mean": (one[0].running_mean, many[0].running_mean),
            "variance": (one[0].running_var, many[0].running_var),
            "eval": (one.eval()(whole)[here], many.eval()(share)),
        }
        return {name: float((a - b).abs().max()) for name, (a, b) in pairs.items()}

    return done(begun(len(sizes), work, folder), folder)


def alike(folder: Path, told: dict[str, Any]) -> Any:
    """The same recipe in one process and in several, and the result evaluated by one."""
    tables = told["recipe"]
    training(folder / "one", tables)(0)
    errors = done(begun(told["world"], training(folder / "several", tables), folder), folder)
    run = Run(folder / "several")
    found = evaluate(run, checkpoint="last", batch=min(256, tables["data"]["batch"]))
    return {
        "errors": errors,
        "one": Run(folder / "one").metrics(),
        "several": run.metrics(),
        "evaluated": {"loss": found.loss, "top1": found.top1},
    }


def evaluated(folder: Path, told: dict[str, Any]) -> Any:
    """A network evaluated by one process and by several, each with the last that it said of its progress."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    how: Any = {"data": "digits", "batch": told["batch"]}

    def work(rank: int) -> Any:
        if rank == told["differs"]:
            network[1].weight.data[0] += 1
        said = [(0, 0)]
        found = evaluate(network, **how, shard="processes", progress=lambda *now: said.append(now))
        return [found.to_dict(), said[-1]]

    one = evaluate(network, **how).to_dict()
    return {"one": one, "several": done(begun(told["world"], work, folder), folder)}


def killed(folder: Path, told: dict[str, Any]) -> Any:
    """All processes are killed at random moments and begun again."""
    draw, world, kills = random.Random(told["seed"]), told["world"], 0
    since = time.monotonic()
    done(begun(world, training(folder / "whole", told["recipe"]), folder), folder)
    whole = time.monotonic() - since
    work = training(folder / "killed", told["recipe"], checkpoint_steps=2)
    for _ in range(told["kills"]):
        numbers = begun(world, work, folder)
        time.sleep(draw.uniform(0.1, 0.7) * whole)
        for number in numbers:
            os.kill(number, signal.SIGKILL)
        kills += done(numbers, folder).count(None)
    last = done(begun(world, work, folder), folder)
    return {"kills": kills, "last": last}


class _At(api.Callback):
    def __init__(self, rank: int, step: int, what: str) -> None:
        self.rank, self.step, self.what = rank, step, what

    def before_step(self, network: object, step: int, steps: int) -> None:
        if step == self.step and os.environ.get("RANK", "0") == str(self.rank):
            if self.what == "raise":
                raise RuntimeError("the callback broke")
            os.kill(os.getpid(), getattr(signal, self.what))


def struck(folder: Path, told: dict[str, Any]) -> Any:
    """Something happens to one of them."""
    callback = _At(told["rank"], told["step"], told["what"])
    work = training(folder / "run", told["recipe"], callbacks=[callback], checkpoint_steps=2)
    said = done(begun(told["world"], work, folder), folder)
    again = done(begun(told["then"], training(folder / "run", told["recipe"]), folder), folder)
    return {
        "said": said,
        "again": again,
        "finished": Run(folder / "run").finished,
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    api.save_curves = lambda *_, **__: Path()
    what: Any = globals()[sys.argv[1]]
    print(json.dumps(what(Path(sys.argv[2]), json.loads(sys.argv[3]))))
