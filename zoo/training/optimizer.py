"""The optimizer of a recipe, and its learning rate at each step."""

from __future__ import annotations

import math

import torch
from torch import nn

from zoo.specs.optimizers import AdamW
from zoo.training.settings import TrainingSettings


def build_optimizer(model: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """The recipe's optimizer, with a fused update."""
    chosen = settings.optimizer
    common = {"lr": settings.learning_rate, "betas": chosen.betas, "fused": True}
    if not isinstance(chosen, AdamW):
        return torch.optim.Adam(model.parameters(), **common)
    if chosen.decays == "all":
        decayed, others = list(model.parameters()), []
    else:
        decayed = [parameter for parameter in model.parameters() if parameter.dim() >= 2]
        others = [parameter for parameter in model.parameters() if parameter.dim() < 2]
    groups = [
        {"params": decayed, "weight_decay": chosen.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], **common)


def learning_rate(settings: TrainingSettings, step: int, steps: int) -> float:
    """The learning rate of step 0, 1, ... of `steps`: linear warm-up, then constant or cosine decay."""
    if step < settings.warmup_steps:
        return settings.learning_rate * (step + 1) / settings.warmup_steps
    if settings.decay == "off":
        return settings.learning_rate
    done = (step - settings.warmup_steps) / max(1, steps - settings.warmup_steps)
    last = settings.final_learning_rate
    return settings.learning_rate * (last + (1 - last) * (1 + math.cos(math.pi * done)) / 2)
