"""Macro-architecture: networks by name, one paper a file, built on `steelyard.layers`."""
