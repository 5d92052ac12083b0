"""The zoo room."""
