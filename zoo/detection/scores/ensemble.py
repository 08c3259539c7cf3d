"""`ensemble`: several scores combined."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor

from zoo.detection.scores.base import Batches, Learned, Score
from zoo.detection.scores.field import AnyScore
from zoo.detection.scores.registry import guarded
from zoo.models import Autoencoder


class Ensemble(Score):
    """The mean of several scores, each standardized over the reference examples."""

    kind: Literal["ensemble"] = "ensemble"
    members: tuple[AnyScore, ...] = Field(
        min_length=2, max_length=20, description="the scores to combine"
    )
    has_map = True
    learns = True

    @field_validator("members")
    @classmethod
    def _no_ensembles(cls, members: tuple[Score, ...]) -> tuple[Score, ...]:
        if any(isinstance(one, Ensemble) for one in members):
            raise ValueError("an ensemble cannot be a member of an ensemble")
        return members

    def parts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(part for one in self.members for part in one.parts()))

    def learn(self, model: Autoencoder, batches: Batches) -> dict[str, Tensor]:
        learned = {}
        for number, one in enumerate(self.members):
            if one.learns:
                with guarded(one):
                    found = one.learn(model, batches)
                learned |= {f"{number}.{name}": tensor for name, tensor in found.items()}
        points = torch.cat([self._statistics(model, x, learned) for x in batches()])
        scale = points.std(0)
        return learned | {"mean": points.mean(0), "scale": scale.where(scale > 0, torch.ones(()))}

    def values(self, model: Autoencoder, x: Tensor, learned: Learned) -> Tensor:
        statistics = self._statistics(model, x, learned)
        return ((statistics - learned["mean"]) / learned["scale"]).mean(1)

    def map(self, model: Autoencoder, x: Tensor) -> Tensor | None:
        """The map of the first member that has one."""
        return next((one.map(model, x) for one in self.members if one.has_map), None)

    def _statistics(self, model: Autoencoder, x: Tensor, learned: Learned) -> Tensor:
        """The members' scores, `(N, M)` float64."""
        found = []
        for number, one in enumerate(self.members):
            start = f"{number}."
            own = {n.removeprefix(start): t for n, t in learned.items() if n.startswith(start)}
            with guarded(one):
                found.append(one.values(model, x, own).cpu().double())
        return torch.stack(found, 1)
