"""The papers behind a model's method: of its family, its prior and its recipe's objective."""

from __future__ import annotations

import tomllib
from typing import get_args

from zoo.registry import families
from zoo.specs.info import ModelInfo
from zoo.specs.objectives import AnyObjective

VAMP = "Tomczak & Welling, VAE with a VampPrior, AISTATS 2018, arXiv:1705.07120"
OF_OBJECTIVES = {one.model_fields["kind"].default: one.paper for one in get_args(AnyObjective)}


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
    if isinstance(objective, dict) and (paper := OF_OBJECTIVES.get(objective.get("kind"))):
        papers.append(paper)
    return papers
