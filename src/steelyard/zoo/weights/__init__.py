"""Pretrained weights: where they come from, how they get here, and how they fit our networks."""
