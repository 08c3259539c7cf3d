"""`vq-vae`: discrete codes from a learned codebook."""

from zoo.families.rows import Row
from zoo.families.vq_vae.spec import VQVAESpec

ROWS = (
    Row(
        "vq-vae",
        VQVAESpec,
        "zoo.families.vq_vae.model:VQVAE",
        "autoencoder with vector-quantized codes",
        (
            "van den Oord et al., Neural Discrete Representation Learning, NeurIPS 2017, "
            "arXiv:1711.00937",
        ),
    ),
)
