"""The optimizer that a recipe builds: what its weight decay acts on, and its learning rate."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import torch
from torch import nn

import zoo
from zoo.registry import published
from zoo.training.optimizer import build_optimizer, learning_rate
from zoo.training.recipe import load_recipe
from zoo.training.settings import TrainingSettings


def net() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = [nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.Flatten(), nn.Linear(4 * 36, 3)]
    return nn.Sequential(*layers)


def stepped(build, steps: int = 3) -> dict[str, torch.Tensor]:
    """The parameters after some steps on one batch."""
    model = net()
    optimizer = build(model)
    images = torch.linspace(0, 1, 2 * 64).view(2, 1, 8, 8)
    for _ in range(steps):
        optimizer.zero_grad()
        model(images).square().sum().backward()
        optimizer.step()
    return model.state_dict()


def settings(**optimizer) -> TrainingSettings:
    fields = {"epochs": 1, "optimizer": {"kind": "adamw", **optimizer}}
    return TrainingSettings.model_validate(fields)


def test_decay_of_all_parameters_gives_the_bits_of_one_plain_group():
    chosen = settings(weight_decay=0.5, decays="all")
    ours = stepped(lambda model: build_optimizer(model, chosen))
    plain = stepped(
        lambda model: torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0.5, fused=True)
    )
    assert all(torch.equal(ours[name], plain[name]) for name in plain)


def test_decay_of_matrices_leaves_biases_and_norms_to_the_gradient():
    ours = stepped(lambda model: build_optimizer(model, settings(weight_decay=0.5)), steps=1)
    decayed = stepped(
        lambda model: build_optimizer(model, settings(weight_decay=0.5, decays="all")), steps=1
    )
    free = stepped(lambda model: build_optimizer(model, settings(weight_decay=0.0)), steps=1)
    for name, tensor in ours.items():
        same = decayed if tensor.dim() >= 2 else free
        assert torch.equal(tensor, same[name]), name
    assert not torch.equal(decayed["1.weight"], free["1.weight"])


@pytest.mark.parametrize("model", [nn.Linear(3, 3, bias=False), nn.LayerNorm(3)])
def test_a_model_of_matrices_or_of_vectors_alone_has_one_group(model):
    assert len(build_optimizer(model, settings(weight_decay=0.5)).param_groups) == 1


def test_a_new_recipe_decays_matrices_and_a_published_one_all():
    assert settings().optimizer.decays == "matrices"  # pyright: ignore[reportAttributeAccessIssue]  # adamw's
    for name in published.list_recipes():
        optimizer = load_recipe(name).training.optimizer
        assert getattr(optimizer, "decays", "all") == "all", name


@pytest.mark.parametrize("decays", ["matrices", "all"])
def test_a_training_resumes_with_both_groups(recipe, decays):
    adamw = {"kind": "adamw", "weight_decay": 1.0, "decays": decays}
    chosen = recipe(optimizer=adamw, checkpoint_minutes=0)

    def stop(update) -> None:
        if (update.epoch, update.step) == (2, 3):
            signal.raise_signal(signal.SIGINT)

    zoo.train(chosen, out="whole")
    assert zoo.train(chosen, out="stopped", on_update=stop).interrupted
    zoo.train(chosen, out="stopped", resume=True)
    one, other = (Path(run, "model/model.safetensors").read_bytes() for run in ("whole", "stopped"))
    assert one == other


def test_learning_rate_rises_then_falls():
    chosen = TrainingSettings(epochs=1, warmup_steps=10, decay="cosine", learning_rate=1.0)
    rates = [learning_rate(chosen, i, 110) for i in range(110)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[10] == pytest.approx(1.0)
    assert rates[60] == pytest.approx((1 + 0.01) / 2, abs=1e-6)
    assert rates[-1] == pytest.approx(0.01, abs=1e-3)
    flat = TrainingSettings(epochs=1, learning_rate=0.5)
    assert learning_rate(flat, 99, 100) == 0.5
