"""Optimizers by name, with their settings. No torch here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from zoo.specs.validation import Strict


class Adam(Strict):
    """Kingma & Ba 2015."""

    kind: Literal["adam"] = "adam"
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = Field(
        default=(0.9, 0.999), description="decay rates of the first and second moment estimates"
    )


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""

    kind: Literal["adamw"] = "adamw"  # pyright: ignore[reportIncompatibleVariableOverride]  # the tag of another kind
    weight_decay: float = Field(default=0.01, ge=0, le=10, description="per unit of learning rate")
    decays: Literal["matrices", "all"] = Field(
        default="matrices",
        description="parameters that weight decay applies to: matrices (tensors of two or more dimensions, "
        "such as dense weights and convolution kernels) or all, biases and norms included",
    )
