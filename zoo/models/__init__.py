"""Base classes of models, their objectives, and the building blocks that families share."""

from zoo.models.interface import Autoencoder
from zoo.models.loss import Batch, Code, Loss
from zoo.models.variational import VariationalAutoencoder

__all__ = ["Autoencoder", "Batch", "Code", "Loss", "VariationalAutoencoder"]
