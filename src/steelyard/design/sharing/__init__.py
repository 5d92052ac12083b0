"""Networks that share their weights: once for all, ENAS and DARTS."""

from steelyard.design.sharing.base import SharedWeights
from steelyard.design.sharing.cells import SharedCells
from steelyard.design.sharing.darts import Darts, derive
from steelyard.design.sharing.data import Images, images_of
from steelyard.design.sharing.elastic import ElasticNetwork
from steelyard.design.sharing.enas import Enas
from steelyard.design.sharing.judging import Judge, calibrate
from steelyard.design.sharing.learn import Learnt, learn
from steelyard.design.sharing.lesson import Pupil, teach
from steelyard.design.sharing.options import LEARNING, parse_strategy
from steelyard.design.sharing.sandwich import Sandwich

__all__ = [
    "LEARNING",
    "Darts",
    "ElasticNetwork",
    "Enas",
    "Images",
    "Judge",
    "Learnt",
    "Pupil",
    "Sandwich",
    "SharedCells",
    "SharedWeights",
    "calibrate",
    "derive",
    "images_of",
    "learn",
    "parse_strategy",
    "teach",
]
