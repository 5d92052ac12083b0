"""Searching spaces of networks: objectives, constraints, strategies, and what was found."""
