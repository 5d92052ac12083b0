"""Networks that spend less on easy inputs: exits, their costs, policies, budgets, and the engine that stops early."""

from steelyard.dynamic import decision_layout as _decisions  # noqa: F401 - teaches the report room to print them
