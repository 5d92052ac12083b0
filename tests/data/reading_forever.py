"""A program that reads images with two processes until it is stopped; prints their numbers first."""

import multiprocessing
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from as_files import Files

from steelyard.data.loader import Loader
from steelyard.data.transforms import parse_transforms

if __name__ == "__main__":
    loader = Loader(
        Files(100_000, slow_s=0.002),
        batch=4,
        transforms=parse_transforms(["resize:8x8"]),
        workers=2,
    )
    for number, _ in enumerate(loader.epoch(0)):
        if number == 3:
            print(*(child.pid for child in multiprocessing.active_children()), flush=True)
