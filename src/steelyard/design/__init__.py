"""Changing networks: rewrites of their layers, and their form for inference."""
