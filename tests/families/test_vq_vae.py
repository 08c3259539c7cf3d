"""The family `vq-vae`: its codebook, what it learns from a batch, and how that is shared out."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import torch
from launched import run

import zoo
from zoo.data import load_examples
from zoo.errors import SpecError
from zoo.families.vq_vae.model import DEAD, DECAY, VQVAE
from zoo.training.batch import Stepper
from zoo.training.loop import Update
from zoo.training.recipe import Recipe

SMALL = {"kind": "conv", "channels": [4, 6], "residual_blocks": 1}
MODEL = {
    "family": "vq-vae",
    "input_shape": [1, 8, 8],
    "latent_dim": 3,
    "codes": 6,
    "body": {"kind": "conv", "channels": [8], "residual_blocks": 0},
}
DATA = {"dataset": "digits", "protocol": "gray"}


def build(shape=(1, 8, 8), **fields) -> VQVAE:
    fields = {"latent_dim": 3, "codes": 6, "body": SMALL, **fields}
    model = zoo.build("vq-vae", seed=0, input_shape=shape, **fields)
    assert isinstance(model, VQVAE)
    return model


def images(count: int = 8) -> torch.Tensor:
    return load_examples("digits", "train").first(count).float() / 255


def apart(vectors: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Distances of vectors `(N, D)` from others `(M, D)`: `(N, M)`."""
    return (vectors[:, None] - others).square().sum(2).sqrt()


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 9, 13), (1, 28, 28), (3, 36, 20)], ids=str)
@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_it_builds_for_any_image_and_counts_its_parameters(shape, likelihood):
    model = build(shape, likelihood={"kind": likelihood}).eval()
    x = torch.rand(2, *shape)
    assert model.latent_shape == (3, shape[1] // 4, shape[2] // 4)
    assert model.encode(x).shape == (2, *model.latent_shape)
    assert model.reconstruct(x).shape == x.shape
    assert model.likelihood(model.encode(x)).log_prob(x).shape == (2,)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        (
            {"body": {"kind": "conv", "channels": [4] * 4}},
            "8 x 8 pixels can be halved at most 3 times",
        ),
        ({"body": {"kind": "conv", "hidden": [9]}}, "body.hidden: unknown field"),
        ({"body": {"kind": "mlp"}}, "body.kind: input should be 'conv'"),
        ({"codes": 1}, "codes: input should be greater than or equal to 2"),
        ({"commitment": -1.0}, "commitment: input should be greater than or equal to 0"),
    ],
)
def test_what_it_cannot_be_is_a_sentence(fields, why):
    with pytest.raises(SpecError, match=why):
        build(**fields)


def test_a_code_is_made_of_the_codebooks_nearest_vectors():
    model, x = build().eval(), images()
    with torch.no_grad():
        h = model._outputs(x)  # (N, D, h, w)
        z = model.encode(x)
    distances = apart(h.movedim(1, -1).flatten(0, 2), model.codebook)  # (N * h * w, K)
    wanted = model.codebook[distances.argmin(1)]
    assert torch.equal(z.movedim(1, -1).flatten(0, 2), wanted)


def test_gradients_go_past_the_codebook_as_if_it_were_not_there():
    x, model, by_hand = images(), build(commitment=0.0), build(commitment=0.0)
    model.loss(x).total.backward()
    h = by_hand._outputs(x)
    z = by_hand._vectors(by_hand._nearest(h)).requires_grad_()
    (gradient,) = torch.autograd.grad(-by_hand._likelihood(z).log_prob(x).mean(), z)
    h.backward(gradient)
    torch.testing.assert_close(model.to_vectors.weight.grad, by_hand.to_vectors.weight.grad)


def test_at_the_first_step_vectors_begin_at_encoder_outputs():
    model, x = build(), images()
    with torch.no_grad():
        outputs = model._outputs(x).movedim(1, -1).flatten(0, 2)  # (N * h * w, D)
        used = model._counts([x]) > 0
    model.loss(x)
    assert (apart(model.codebook, outputs).amin(1)[~used] < 1e-6).all()
    assert (~used).any()
    assert (model.uses > 0).all()


def test_the_codebook_follows_encoder_outputs_by_moving_averages():
    model, x = build(), images()
    model.loss(x)  # every vector lives now
    sums, uses = model.codebook * model.uses[:, None], model.uses.clone()
    with torch.no_grad():
        h = model._outputs(x).movedim(1, -1).flatten(0, 2)
        numbers = model._nearest(model._outputs(x)).flatten()
    for vector in range(6):
        mine = h[numbers == vector]
        uses[vector] = DECAY * uses[vector] + (1 - DECAY) * len(mine) / len(x)
        sums[vector] = DECAY * sums[vector] + (1 - DECAY) * mine.sum(0) / len(x)
    model.loss(x)
    torch.testing.assert_close(model.uses, uses)
    torch.testing.assert_close(model.codebook, sums / uses[:, None])


def test_a_vector_that_is_hardly_used_begins_anew_and_one_that_is_used_stays():
    model, x = build(), images()
    model.loss(x)
    share = 4 / 6  # four places, six vectors
    with torch.no_grad():
        model.codebook[2] = 1e3
        model.uses[2] = 0.9 * DEAD * share
        outputs = model._outputs(x).movedim(1, -1).flatten(0, 2)
    model.loss(x)
    assert apart(model.codebook[2:3], outputs).amin() < 1e-6
    assert model.uses[2] == pytest.approx(share)
    assert (model.uses != share).sum() == 5


def test_in_eval_mode_a_loss_teaches_nothing():
    model = build().eval()
    before = model.codebook.clone()
    assert not model.loss(images()).statistics
    assert torch.equal(model.codebook, before)


def test_usage_and_perplexity_count_the_vectors_in_use():
    model = build(codes=4).eval()
    with torch.no_grad():
        outputs = model._outputs(images(1)).movedim(1, -1).flatten(0, 2)  # (4, D)
        model.codebook.copy_(outputs)
    assert model._measure([images(1)]) == pytest.approx({"codebook_usage": 1, "perplexity": 4})
    model.codebook[1:] = 1e3
    assert model._measure([images(1)]) == pytest.approx({"codebook_usage": 0.25, "perplexity": 1})


BY_DDP = """
import os, torch, zoo, zoo.runtime.processes
from pathlib import Path
from torch.nn.parallel import DistributedDataParallel
from zoo.data import load_examples

if __name__ == "__main__":
    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()
    model = zoo.load("./untaught").train()
    x = load_examples("digits", "train").first(64).float() / 255
    torch.manual_seed(rank)
    DistributedDataParallel(model)(x[rank::2]).total.backward()
    zoo.save(model, f"taught-{rank}")
    zoo.runtime.processes.leave(0)
"""


def test_by_ddp_the_codebook_learns_from_the_images_of_all_processes():
    model, x = build(codes=12), images(64)
    zoo.save(model, "untaught")
    with torch.no_grad():
        outputs = model._outputs(x).movedim(1, -1).flatten(0, 2)  # (N * h * w, D)
    model.loss(x)
    Path("by_ddp.py").write_text(BY_DDP)
    code, _, err = run(2, "by_ddp.py")
    assert code == 0, err
    first, second = (zoo.load(f"./taught-{rank}") for rank in range(2))
    assert torch.equal(first.codebook, second.codebook)
    torch.testing.assert_close(first.uses, model.uses)
    anew = model.uses == model.uses.max()  # not one of them lives at the first step
    assert (apart(first.codebook[anew], outputs).amin(1) < 1e-6).all()


def stepped(**training) -> VQVAE:
    """After two steps of a training."""
    settings = {"epochs": 1, **training}
    recipe = Recipe.parse({"model": MODEL, "data": DATA, "training": settings})
    model, pixels = build(body=MODEL["body"]), load_examples("digits", "train").first(64)
    stepper = Stepper(model, recipe, 64, torch.device("cpu"))
    for step in range(2):
        assert (
            len(stepper.step(pixels, torch.arange(64), 64, step, [0.0])) == 3
        )  # two terms and a wish
    return model


@pytest.mark.parametrize("parts", [{"accumulate": 4}, {"exact_shards": 4}, {"exact_shards": 1}])
def test_a_batch_in_parts_teaches_what_a_whole_one_does(parts):
    whole, other = stepped(), stepped(**parts)
    assert (whole.uses > 0).all()
    torch.testing.assert_close(other.codebook, whole.codebook, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(other.uses, whole.uses)


@pytest.mark.parametrize("exact", ["off", 2])
def test_a_training_that_was_stopped_goes_on_with_the_same_bits(exact):
    training = {"epochs": 2, "exact_shards": exact, "ema_decay": 0.9, "checkpoint_minutes": 0}
    settings = {"model": MODEL, "data": DATA, "training": training}

    def stop(update: Update) -> None:
        if (update.epoch, update.step) == (2, 5):
            signal.raise_signal(signal.SIGINT)

    zoo.train(settings, out="whole", device="cpu")
    assert zoo.train(settings, out="a", device="cpu", on_update=stop).interrupted
    run = zoo.train(settings, out="a", device="cpu", resume=True)
    one, two = (Path(f, "model/model.safetensors").read_bytes() for f in ("a", "whole"))
    assert one == two
    assert run.metrics is not None
    assert set(run.metrics.own) == {"codebook_usage", "perplexity"}
    card = Path("a/model/README.md").read_text()
    assert "arXiv:1711.00937" in card
    assert "![codebook](figures/codebook.png)" in card
