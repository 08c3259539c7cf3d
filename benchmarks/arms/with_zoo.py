"""The zoo: the loop that `zoo.train` runs, and its public API for everything else."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import zoo
from arms import ZOO
from arms.arm import BATCH, INITIAL, RATE, SAMPLES, SEED, Arm, Job
from arms.damage import LAYOUTS
from arms.plain import PlainVAE, copy_weights
from arms.watch import Watch
from zoo.data import Examples, load_examples, shown_in_testing
from zoo.training.loop import Update, fit
from zoo.training.recipe import load_recipe

PUBLISHED = "vae-mnist-20"
NEVER = 1e4
"""Minutes to a first checkpoint, which would end a turn of its own."""
MODEL = {"family": "vae", "input_shape": [1, 28, 28], "latent_dim": 20, "log_variance_bound": "off"}
DATA = {"dataset": "mnist", "fit": "train+validation", "protocol": "gray"}


class Zoo(Arm):
    """float32 and no setting of the training but the shared ones: the others' objective."""

    def recipe(self, epochs: int) -> zoo.Recipe:
        """What this arm is trained by."""
        training = {"epochs": epochs, "batch_size": BATCH, "learning_rate": RATE, "seed": SEED}
        training |= {"checkpoint_minutes": NEVER}
        return zoo.Recipe.parse({"model": MODEL, "data": DATA, "training": training})

    def train(self, job: Job, watch: Watch) -> None:
        recipe = self.recipe(job.epochs)
        images = load_examples("mnist", "train+validation")
        if job.images < len(images):
            images = Examples("mnist", "train+validation", images.first(job.images))
        model = zoo.build(recipe.spec, seed=SEED)
        if recipe.training.output_bias == "training-mean":
            model.set_output_mean(images.mean())
        done = 0

        def end_turn(update: Update) -> None:
            nonlocal done
            if not update.ended:
                before, done = done, min(update.step * BATCH, job.images)
                watch.images = done - before
                watch.end_turn()
                done %= job.images  # 0 at an epoch's end

        def end_epoch(model: zoo.Autoencoder) -> None:
            assert isinstance(model, zoo.VariationalAutoencoder)

            def encode(x: Tensor) -> tuple[Tensor, Tensor]:
                posterior = model.posterior(x)
                return posterior.mean, 2 * posterior.stddev.log()

            watch.end_epoch(encode, model.decode, lambda: _own(model))

        with tempfile.TemporaryDirectory() as folder:
            watch.begin()
            fit(
                model,
                images,
                recipe,
                device=torch.device("cpu"),
                checkpoint=Path(folder) / "checkpoint.safetensors",
                resume=False,
                validate=None,
                on_progress=end_turn,
                on_epoch=end_epoch,
            )

    def save(self, plain: PlainVAE, folder: Path) -> None:
        model = zoo.build(self.recipe(1).spec, seed=SEED)
        copy_weights(to_zoo(plain), model.parameters())
        zoo.save(model, folder)

    def load(self, folder: Path) -> nn.Module:
        return zoo.load(folder)

    def bound(self, model: nn.Module) -> Callable[[Tensor], float]:
        assert isinstance(model, zoo.VariationalAutoencoder)
        return lambda x: -model.log_likelihood(x, samples=SAMPLES).item()

    def plain_weights(self, model: nn.Module) -> list[Tensor]:
        return to_plain(model)

    def setting_of(self, model: nn.Module) -> object:
        assert isinstance(model, zoo.Autoencoder)
        return model.spec.model_dump()[str(LAYOUTS[ZOO].setting)]


class OwnRecipe(Zoo):
    """The published recipe's own objective, schedule and averaging, on the same data and epochs."""

    def recipe(self, epochs: int) -> zoo.Recipe:
        shared = {"precision": "float32", "batch_size": BATCH, "seed": SEED, "epochs": epochs}
        shared |= {"checkpoint_minutes": NEVER}
        data = {f"data.{key}": value for key, value in DATA.items()}
        return load_recipe(PUBLISHED).with_overrides({**shared, **data})


def prepare(work: Path) -> None:
    """Writes what all arms share: images, and the zoo's initial weights.

    Raises ZooError where there is no MNIST.
    """
    train, test = load_examples("mnist", "train+validation"), load_examples("mnist", "test")
    pixels = test.first(len(test))
    for name, images in {
        "train": train.first(len(train)),
        "test": pixels,
        "binarized": shown_in_testing(pixels, "binarized"),
    }.items():
        np.save(work / f"{name}.npy", images.numpy())
    plain = PlainVAE()
    copy_weights(to_plain(zoo.build(Zoo().recipe(1).spec, seed=SEED)), plain.parameters())
    torch.save(plain.state_dict(), work / INITIAL)


def differences() -> dict[str, object]:
    """The settings by which the zoo's own recipe differs from the matched one."""
    matched, own = (arm.recipe(2).sections() for arm in (Zoo(), OwnRecipe()))
    return {
        f"{section}.{key}": value
        for section, settings in own.items()
        for key, value in settings.items()
        if matched[section].get(key) != value
    }


def to_plain(model: nn.Module) -> list[Tensor]:
    """The weights in a PlainVAE's order: the zoo's joint head is two of its layers in one."""
    weights = list(model.parameters())
    weight, bias = weights[4:6]
    return [*weights[:4], weight[:20], bias[:20], weight[20:], bias[20:], *weights[6:]]


def to_zoo(plain: PlainVAE) -> list[Tensor]:
    """The reverse of `to_plain`."""
    weights = list(plain.parameters())
    heads = [torch.cat([weights[4], weights[6]]), torch.cat([weights[5], weights[7]])]
    return [*weights[:4], *heads, *weights[8:]]


def _own(model: zoo.Autoencoder) -> float:
    measured = zoo.evaluate(model, "mnist", protocol="gray", device="cpu").bce_plus_kl
    assert measured is not None
    return measured
