"""Training: a recipe -> a run's folder, with the trained model in it."""

from zoo.training.recipe import Recipe
from zoo.training.run import Run, train

__all__ = ["Recipe", "Run", "train"]
