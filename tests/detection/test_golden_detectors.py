"""Golden folders of detectors: what an earlier version saved keeps its scores and its alarms.

`python tests/detection/test_golden_detectors.py` writes those that are missing; it never replaces one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

import zoo
from zoo.sklearn import Detector

GOLDEN = Path(__file__).resolve().parent / "golden"
QUICK = {"epochs": 2, "model.latent_dim": 2, "model.body.hidden": [4]}


def rows() -> np.ndarray:
    return np.sin(np.arange(160.0).reshape(40, 4) ** 1.5) * [1, 10, 100, 1e9]


def images() -> np.ndarray:
    return (np.sin(np.arange(40.0 * 36).reshape(40, 6, 6) ** 1.5) * 127 + 128).astype(np.uint8)


def table() -> pd.DataFrame:
    days = pd.date_range("2026-01-01", periods=40, freq="D")
    frame = pd.DataFrame(rows()[:, :2], columns=["amount", "age"])
    frame["city"], frame["when"] = [["Basel", "Bern", "Geneva"][n % 3] for n in range(40)], days
    frame.loc[::9, "age"] = np.nan
    return frame


MADE = {
    "rows": (rows, {"false_alarm_rate": 0.2}),
    "images": (images, {"contamination": 0.1}),
    "table": (table, {"missing": "marginal", "anomaly_score": "neg-elbo"}),
}


@pytest.mark.parametrize("name", MADE)
def test_a_saved_detectors_scores_and_alarms_never_change(name):
    detector = zoo.load_detector(GOLDEN / name)
    expected = load_file(GOLDEN / name / "outputs.safetensors")
    x = MADE[name][0]()
    np.testing.assert_allclose(detector.scores(x).values, expected["scores"], 1e-4, 1e-5)
    np.testing.assert_allclose(detector.threshold_, expected["threshold"], 1e-12)
    near = np.abs(expected["scores"] - expected["threshold"]) < 1e-3
    assert (detector.predict(x) == expected["labels"])[~near].all()


def write_missing() -> None:
    for name, (make, how) in MADE.items():
        if not (GOLDEN / name).exists():
            detector = Detector("vae", settings=QUICK, **how).fit(make())
            detector.save(GOLDEN / name)
            found = {"scores": detector.scores(make()).values, "labels": detector.predict(make())}
            found["threshold"] = np.array(detector.threshold_)
            save_file(found, GOLDEN / name / "outputs.safetensors")


if __name__ == "__main__":
    write_missing()
