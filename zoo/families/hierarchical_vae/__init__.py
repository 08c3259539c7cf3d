"""`hierarchical-vae`: groups of latents, each conditioned on those above it."""

from zoo.families.hierarchical_vae.spec import HierarchicalVAESpec
from zoo.families.rows import Row

ROWS = (
    Row(
        "hierarchical-vae",
        HierarchicalVAESpec,
        "zoo.families.hierarchical_vae.model:HierarchicalVAE",
        "variational, with a hierarchy of latent groups",
        (
            "Sønderby et al., Ladder Variational Autoencoders, NeurIPS 2016, arXiv:1602.02282, and "
            "Vahdat & Kautz, NVAE: A Deep Hierarchical Variational Autoencoder, NeurIPS 2020, "
            "arXiv:2007.03898",
        ),
    ),
)
