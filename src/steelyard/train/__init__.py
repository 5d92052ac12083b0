"""Training and evaluating networks: recipes, the loop, checkpoints, evaluation, loss surfaces."""
