"""Data sets, the transforms of their images, and the batches that networks are trained on."""

from steelyard.data.dataset import ArrayDataset, Dataset

__all__ = ["ArrayDataset", "Dataset"]
