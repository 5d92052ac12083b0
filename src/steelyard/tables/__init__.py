"""Published tables beside the same figures computed from captured workloads."""
