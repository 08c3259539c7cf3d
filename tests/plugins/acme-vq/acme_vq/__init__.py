"""A VQ-VAE for autoencoder-zoo: the family `vq`, the dataset `rings`, the recipe `vq-digits-4x4`."""

from acme_vq.model import VQVAE, VQSpec

__all__ = ["VQVAE", "VQSpec"]
