"""Anomaly scores: one class each, with its settings.

base.py      `Score`, the base class
registry.py  scores by kind: built in, registered in this process, or from an installed package
field.py     `AnyScore`, the type of a field that accepts any of them
"""

from zoo.detection.scores.complexity import Complexity
from zoo.detection.scores.distance import Distance
from zoo.detection.scores.ensemble import Ensemble
from zoo.detection.scores.latent import Latent
from zoo.detection.scores.likelihood import KL, NLL, NegELBO, Reconstruction, Typicality
from zoo.detection.scores.refinement import LLR, Regret
from zoo.detection.scores.registry import SCORES

for _cls in (
    Reconstruction,
    NegELBO,
    NLL,
    KL,
    Latent,
    Distance,
    Typicality,
    Complexity,
    Regret,
    LLR,
    Ensemble,
):
    SCORES.add_built_in(_cls)
