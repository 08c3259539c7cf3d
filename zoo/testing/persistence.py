"""Checks of models that are saved, loaded, trained, measured and drawn."""

from __future__ import annotations

import contextlib
import io
import tempfile
from pathlib import Path

import numpy as np
import torch

from zoo.data import Examples
from zoo.evaluation.evaluate import evaluate_model
from zoo.evaluation.figures import draw_all
from zoo.evaluation.measure import measure_own
from zoo.folder import store
from zoo.folder.layout import files_of
from zoo.likelihoods.fitting import fitting_protocols
from zoo.registry.sources import Source
from zoo.testing.losses import mean_loss
from zoo.testing.subject import Subject, expect, expect_unchanged, inputs, values
from zoo.training.run import train

EXAMPLES = 256
EPOCHS = 4


def check_save_and_load(subject: Subject) -> None:
    """A saved model comes back bit for bit, and the same model gives the same bytes."""
    with tempfile.TemporaryDirectory(prefix="zoo-check-") as scratch:
        for number, spec in enumerate(subject.specs):
            model, x = subject.build(spec), inputs(spec)
            one, two = Path(scratch, f"{number}"), Path(scratch, f"{number}-again")
            store.save(model, one)
            loaded = store.load_source(Source(one, str(one)))
            expect(loaded.spec == model.spec, "the Spec differs after saving and loading")
            with torch.no_grad():
                for method in ("encode", "reconstruct"):
                    same = torch.equal(getattr(loaded, method)(x), getattr(model, method)(x))
                    expect(same, f"{method} gives other bits after saving and loading: {spec!r}")
            store.save(loaded, two)
            for name in files_of(one):
                same = (one / name).read_bytes() == (two / name).read_bytes()
                expect(same, f"{name} has other bytes when the loaded model is saved again")


def check_own(subject: Subject) -> str:
    """A model is measured and drawn, with the metrics and pictures that the family adds."""
    model, data = subject.build(), values(subject.spec, 64)
    with expect_unchanged(model, "measured or drawn"):
        metrics = evaluate_model(model, Examples("digits", "train", data))
        with torch.inference_mode():
            again = measure_own(model, [data])
        pictures = draw_all(model, data)
    expect(metrics.own == again, f"its own metrics are {again} the second time, not {metrics.own}")
    expect(all(pictures.values()), "a picture is empty")
    expect(not model.training, "it is left in training mode when it is measured or drawn")
    own = [*model.own_metrics, *model.own_pictures]
    return f"{', '.join(own)} besides the zoo's" if own else "the zoo's alone"


def check_training(subject: Subject) -> str:
    """A short training on examples made of digits lowers the loss, gives the same weights again, and is kept whole."""
    with tempfile.TemporaryDirectory(prefix="zoo-check-") as scratch:
        data = Path(scratch, "digits.npy")
        np.save(data, values(subject.spec, EXAMPLES).numpy())
        own = fitting_protocols(subject.spec) or ("gray",)
        recipe = {
            "model": {"family": subject.family.name, **subject.spec.model_dump(mode="json")},
            "data": {"dataset": str(data), "protocol": own[0]},
            "training": {
                "epochs": EPOCHS,
                "batch_size": 32,
                "output_bias": "training-mean",
                "clip_norm": 1.0,
            },
        }
        with contextlib.redirect_stderr(io.StringIO()):  # its progress
            one, two = (
                train(recipe, out=Path(scratch, out), device="cpu").model for out in ("one", "two")
            )
        back = store.load_source(Source(Path(scratch, "one", "model"), "one"))
    x = inputs(subject.spec)
    with torch.no_grad():
        same = torch.equal(back.encode(x), one.encode(x)) and torch.equal(back(x), one(x))
    expect(same, "a trained model differs after loading: is all its state in the state dict?")
    x = inputs(subject.spec, 128)
    before, after = (mean_loss(model, x) for model in (subject.build(), one))
    expect(after < before, f"{EPOCHS} epochs take the loss from {before:g} to {after:g}")
    same = all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    expect(same, "the same recipe gives other weights the second time")
    return f"{EPOCHS} epochs take the loss from {before:.4g} to {after:.4g}"
