"""Where the method behind a model is from: by its family, its prior and what its recipe minimized."""

from __future__ import annotations

import tomllib

from zoo.specs.info import ModelInfo

VAE = "Kingma & Welling, Auto-Encoding Variational Bayes, ICLR 2014, arXiv:1312.6114"
FAMILIES = {
    "vae": VAE,
    "conv-vae": VAE,
    "beta-vae": "Higgins et al., beta-VAE: Learning Basic Visual Concepts with a Constrained "
    "Variational Framework, ICLR 2017",
    "beta-tc-vae": "Chen et al., Isolating Sources of Disentanglement in Variational Autoencoders, "
    "NeurIPS 2018, arXiv:1802.04942",
    "factor-vae": "Kim & Mnih, Disentangling by Factorizing, ICML 2018, arXiv:1802.05983",
    "vq-vae": "van den Oord et al., Neural Discrete Representation Learning, NeurIPS 2017, "
    "arXiv:1711.00937",
    "hierarchical-vae": "Sønderby et al., Ladder Variational Autoencoders, NeurIPS 2016, "
    "arXiv:1602.02282, and Vahdat & Kautz, NVAE: A Deep Hierarchical Variational Autoencoder, "
    "NeurIPS 2020, arXiv:2007.03898",
}
VAMP = "Tomczak & Welling, VAE with a VampPrior, AISTATS 2018, arXiv:1705.07120"
IWAE = "Burda et al., Importance Weighted Autoencoders, ICLR 2016, arXiv:1509.00519"


def papers_of(info: ModelInfo) -> list[str]:
    """The papers to cite besides the model itself; of another package's family nothing is known."""
    if info.family not in FAMILIES:
        return []
    papers = [FAMILIES[info.family]]
    if getattr(getattr(info.spec, "prior", None), "kind", "") == "vamp":
        papers.append(VAMP)
    training = tomllib.loads(info.recipe or "").get("training", {})
    if training.get("objective", {}).get("kind") == "iwae":
        papers.append(IWAE)
    return papers
