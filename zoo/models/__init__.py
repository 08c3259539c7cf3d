"""What a model is: the interface, its layers and likelihoods, and the zoo's own families."""

from zoo.models.ae import AE, ConvAE
from zoo.models.interface import Autoencoder, Loss
from zoo.models.vae import VAE, BetaVAE, ConvVAE
from zoo.models.variational import VariationalAutoencoder
from zoo.models.vq_vae import VQVAE

__all__ = [
    "AE",
    "VAE",
    "VQVAE",
    "Autoencoder",
    "BetaVAE",
    "ConvAE",
    "ConvVAE",
    "Loss",
    "VariationalAutoencoder",
]
