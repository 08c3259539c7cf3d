"""What a model is: the interface, its layers and likelihoods, and the zoo's own families."""

from zoo.models.ae import AE, ConvAE
from zoo.models.disentangling import BetaTCVAE, FactorVAE
from zoo.models.hierarchical import HierarchicalVAE
from zoo.models.interface import Autoencoder, Loss
from zoo.models.vae import VAE, BetaVAE, ConvVAE
from zoo.models.variational import VariationalAutoencoder
from zoo.models.vq_vae import VQVAE

__all__ = [
    "AE",
    "VAE",
    "VQVAE",
    "Autoencoder",
    "BetaTCVAE",
    "BetaVAE",
    "ConvAE",
    "ConvVAE",
    "FactorVAE",
    "HierarchicalVAE",
    "Loss",
    "VariationalAutoencoder",
]
