"""The papers behind a model's method: of its family, its prior and its recipe's objective."""

from __future__ import annotations

import tomllib

from zoo.registry import families
from zoo.specs.info import ModelInfo

VAMP = "Tomczak & Welling, VAE with a VampPrior, AISTATS 2018, arXiv:1705.07120"
IWAE = "Burda et al., Importance Weighted Autoencoders, ICLR 2016, arXiv:1509.00519"


def papers_of(info: ModelInfo) -> list[str]:
    """The papers to cite besides the model itself; none for a plugin's family."""
    row = families.get(info.family).row
    if row is None:
        return []
    presets = families.presets_of(info.family, info.spec)
    papers = [*row.papers, *(paper for preset in presets for paper in preset.papers)]
    if getattr(getattr(info.spec, "prior", None), "kind", "") == "vamp":
        papers.append(VAMP)
    training = tomllib.loads(info.recipe or "").get("training", {})
    objective = training.get("objective")
    if isinstance(objective, dict) and objective.get("kind") == "iwae":
        papers.append(IWAE)
    return papers
