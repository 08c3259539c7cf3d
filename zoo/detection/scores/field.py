"""`AnyScore`: the type of a field that accepts any available score, selected by `kind`."""

from __future__ import annotations

from typing import Annotated

from zoo.detection.scores.base import Score
from zoo.detection.scores.registry import SCORES
from zoo.plugins.field import OfKinds

AnyScore = Annotated[Score, OfKinds(SCORES)]
