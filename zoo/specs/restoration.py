"""Restoration protocols: everything that a number of a restored image depends on, with an identity. No torch here."""

from __future__ import annotations

import json
from typing import Literal

from pydantic import Field, field_validator

from zoo.io.digests import identity_of
from zoo.specs.corruptions import Corruption, Corruptions
from zoo.specs.reconstruction import SCORING
from zoo.specs.validation import Strict

FILLINGS, DRAWS, STEPS, TILE = 4, 5, 100, 512
"""Defaults: fillings of an image, draws of a table (as usual in multiple imputation), steps of the Markov chain behind each, side
in pixels of a part of a large image."""
DRAWN = ("philox4x64", "key-seed-0", "counter-0-0-0-number", 24, "normal-quantiles", "float32")
"""How the random numbers of an image are made, hashed into identities."""


class RestorationProtocol(Strict):
    """How images are corrupted before they are restored. Two numbers compare if identity and images are equal.

    Image number n of a dataset is corrupted with the random numbers of seed, n and nothing else. Restored
    images are clipped to [0, 1], not rounded, and scored against the uncorrupted ones.
    """

    corruption: Corruptions = Field(min_length=1, description="one or several, of fixed strengths")
    clipping: bool = Field(default=False, description="clip corrupted images to [0, 1]")
    rounding: Literal["uint8", "off"] = Field(
        default="off", description="round corrupted images to 256 levels, which clips them too"
    )
    seed: int = Field(default=0, ge=0, le=2**31 - 1)

    @field_validator("corruption")
    @classmethod
    def _is_fixed(cls, settings: tuple[Corruption, ...]) -> tuple[Corruption, ...]:
        for one in settings:
            if one.probability < 1:
                raise ValueError(
                    f"probability: every image is corrupted, not {one.probability:g} of them"
                )
            for name, value in one:
                if isinstance(value, tuple) and value[0] != value[1]:
                    raise ValueError(f"{name}: one strength, not the range {list(value)}")
        return settings

    @property
    def only_hides(self) -> bool:
        """Whether all that is done to an image is to hide pixels."""
        return all(one.kind == "mask" for one in self.corruption)

    @property
    def identity(self) -> str:
        """Eight hex digits that identify all settings and definitions."""
        settings = [
            json.dumps(one.model_dump(mode="json", exclude={"probability"}))
            for one in self.corruption
        ]
        rest = (str(self.clipping), self.rounding, self.seed)
        return identity_of([*SCORING, *DRAWN, *settings, *rest])

    @property
    def title(self) -> str:
        """Such as `gaussian, sigma 0.09804, not clipped [1a2b3c4d]`."""
        kinds = [one.in_words for one in self.corruption]
        how = (
            "rounded" if self.rounding == "uint8" else "clipped" if self.clipping else "not clipped"
        )
        return f"{', '.join(kinds)}, {how} [{self.identity}]"
