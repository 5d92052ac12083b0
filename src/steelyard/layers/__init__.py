"""Micro-architecture: one idea a file, as `nn.Module`s with shapes and source in their docstrings."""
