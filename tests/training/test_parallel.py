"""What is shared of a batch, in one process: what processes could not share is refused or left alone."""

from __future__ import annotations

import pytest
import torch

import zoo
from recipes import GOOD
from zoo.data import load_examples
from zoo.errors import TrainingError
from zoo.training.batch import Stepper
from zoo.training.parallel import Draws
from zoo.training.recipe import Recipe
from zoo.training.settings import TrainingSettings


class Odd(zoo.build("ae", input_shape=(1, 8, 8), latent_dim=3).__class__):
    """An autoencoder with a parameter that its loss does not use, and one buffer."""

    def __init__(self, spec, moves: bool):
        super().__init__(spec)
        self.idle = torch.nn.Parameter(torch.ones(3))
        self.register_buffer("seen", torch.zeros(()))
        self.moves = moves

    def _code(self, x, noise):
        self.seen += float(self.moves)
        return super()._code(x, noise)


def stepped(moves: bool, **training) -> Odd:
    """After one step of a training with decoupled weight decay."""
    settings = {"epochs": 1, "optimizer": {"kind": "adamw", "weight_decay": 1.0}, **training}
    model = {"family": "ae", "input_shape": [1, 8, 8], "latent_dim": 3}
    recipe = Recipe.parse({**GOOD, "model": model, "training": settings})
    odd, pixels = Odd(recipe.spec, moves), load_examples("digits", "train").first(64)
    Stepper(odd, recipe, 64, torch.device("cpu")).step(pixels, torch.arange(64), 64, 0, [])
    return odd


@pytest.mark.parametrize("exact", ["off", 1, 4])
def test_a_parameter_that_no_loss_depends_on_is_left_alone(exact):
    assert torch.equal(stepped(False, exact_shards=exact).idle, torch.ones(3))


def test_a_family_whose_training_changes_buffers_is_not_shared_out():
    assert stepped(True).seen == 1
    with pytest.raises(TrainingError, match="Training changes the buffers seen"):
        stepped(True, exact_shards=2)


@pytest.mark.parametrize(
    ("family", "training", "why"),
    [
        ("beta-tc-vae", {}, "'total-correlation' couples the examples of a batch"),
        ("factor-vae", {}, "'total-correlation' couples the examples of a batch"),
        ("vae", {"objective": {"kind": "total-correlation"}}, "couples the examples of a batch"),
        (
            "vae",
            {"objective": {"kind": "elbo", "free_bits": 0.5}},
            "free bits apply to the mean KL",
        ),
    ],
)
def test_a_loss_of_whole_batches_is_not_shared_among_processes(family, training, why, as_rank):
    model = {"family": family, "input_shape": [1, 8, 8], "latent_dim": 3}
    recipe = Recipe.parse({**GOOD, "model": model, "training": {"epochs": 1, **training}})
    assert Stepper(zoo.build(recipe.spec), recipe, 64, torch.device("cpu"))
    as_rank(2, 0)
    with pytest.raises(TrainingError, match=f"The launcher started 2 processes, but .*{why}"):
        Stepper(zoo.build(recipe.spec), recipe, 64, torch.device("cpu"))


def test_images_are_moved_less_and_less_often_and_not_at_the_end():
    settings = TrainingSettings(epochs=1, shift=2)
    draws = Draws(settings, torch.device("cpu"), None)
    shares = []
    for chance in (1.0, 0.5, 0.0):
        moves = draws.moves(10_000, chance)
        assert moves is not None
        assert moves.abs().max() <= 2
        shares.append(float((moves != 0).any(1).float().mean()))
    assert shares == pytest.approx([24 / 25, 12 / 25, 0], abs=0.02)  # one move in 25 is of no pixel
    assert Draws(TrainingSettings(epochs=1), torch.device("cpu"), None).moves(4, 1.0) is None
