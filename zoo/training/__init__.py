"""Training: a recipe -> a run's folder, with the trained model in it."""
