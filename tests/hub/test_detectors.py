"""A detector's folder on the Hub: pushed, loaded elsewhere with the same bits, and pulled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ending import REPO, attempt, push, pushed

import zoo
from zoo.sklearn import Detector

ROWS = "__import__('numpy').linspace(-3, 3, 20).reshape(5, 4)"
HASH = "__import__('hashlib').sha256({}.tobytes()).hexdigest()"
SCORES = HASH.format(f"zoo.load_detector(source, **more).score_samples({ROWS})")


pytestmark = pytest.mark.slow  # each process imports scikit-learn


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    """The folder of a small detector with a score that learns."""
    path = tmp_path_factory.mktemp("detector") / "mine"
    body = {"kind": "mlp", "hidden": [4]}
    model = zoo.build("vae", input_shape=(4,), latent_dim=2, body=body, seed=0)
    rows = np.random.default_rng(0).normal(size=(40, 4))
    Detector(model, anomaly_score="latent").fit(rows).save(path)
    return path


def scores(client, source: str, more: str = "", **options):
    """The hash of the scores of a source's detector."""
    return attempt(
        client, SCORES.replace("source", repr(source)).replace("**more", more), **options
    )


def test_a_pushed_detector_gives_the_same_bits_elsewhere(hub, client, saved, alice):
    done = pushed(push(client, saved, env=alice))
    assert "detector.json" in done["pushed"]
    assert hub.files(REPO)["detector.json"] == (saved / "detector.json").read_bytes()
    here, there = scores(client, str(saved)), scores(client, REPO)
    assert there.value is not None, there.message
    assert there.value == here.value
    by_function = HASH.format(f"(-zoo.score('{REPO}', {ROWS}, device='cpu').values)")
    assert attempt(client, by_function).value == here.value
    hub.stop()
    try:
        assert scores(client, REPO, "offline=True").value == here.value
    finally:
        hub.start()
    assert attempt(client, f"zoo.pull('{REPO}', to='pulled')", cwd=client.home).value is not None
    pulled = client.home / "pulled" / "detector.json"
    assert pulled.read_bytes() == (saved / "detector.json").read_bytes()


def test_a_repo_without_a_detector_says_so(client, repo):
    assert scores(client, repo).says("WeightsError", "holds a model but no detector")
