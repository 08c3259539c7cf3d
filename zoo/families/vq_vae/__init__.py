"""`vq-vae`: codes made of a codebook's vectors."""

from zoo.families.rows import Row
from zoo.families.vq_vae.spec import VQVAESpec

ROWS = (
    Row(
        "vq-vae",
        VQVAESpec,
        "zoo.families.vq_vae.model:VQVAE",
        "autoencoder whose codes are a codebook's vectors",
        (
            "van den Oord et al., Neural Discrete Representation Learning, NeurIPS 2017, "
            "arXiv:1711.00937",
        ),
    ),
)
