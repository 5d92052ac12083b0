"""Macro-architecture: networks by name, one paper a file, built on `steelyard.layers`."""

from steelyard.zoo.registry import create, info, list_models, register_family

__all__ = ["create", "info", "list_models", "register_family"]
