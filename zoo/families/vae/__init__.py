"""`vae`, and two families that penalize the total correlation of codes."""

from zoo.families.rows import Preset, Row
from zoo.families.vae.spec import BetaTCVAESpec, FactorVAESpec, VAESpec

ROWS = (
    Row(
        "vae",
        VAESpec,
        "zoo.families.vae.model:VAE",
        "variational autoencoder",
        ("Kingma & Welling, Auto-Encoding Variational Bayes, ICLR 2014, arXiv:1312.6114",),
    ),
    Preset("conv-vae", "vae", {"body": {"kind": "conv"}}, "`vae` with a convolutional body"),
    Preset(
        "beta-vae",
        "vae",
        {"beta": 4.0},
        "`vae` with its KL term weighted by 4",
        (
            "Higgins et al., beta-VAE: Learning Basic Visual Concepts with a Constrained Variational "
            "Framework, ICLR 2017",
        ),
    ),
    Row(
        "beta-tc-vae",
        BetaTCVAESpec,
        "zoo.families.vae.disentangling:BetaTCVAE",
        "variational, its total correlation weighted",
        (
            "Chen et al., Isolating Sources of Disentanglement in Variational Autoencoders, NeurIPS "
            "2018, arXiv:1802.04942",
        ),
    ),
    Row(
        "factor-vae",
        FactorVAESpec,
        "zoo.families.vae.disentangling:FactorVAE",
        "variational, its total correlation measured by a discriminator",
        ("Kim & Mnih, Disentangling by Factorizing, ICML 2018, arXiv:1802.05983",),
    ),
)
