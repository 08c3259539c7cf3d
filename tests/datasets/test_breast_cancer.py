"""The rows of scikit-learn's breast cancer data, by diagnosis."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer

from zoo.data import load_examples
from zoo.datasets import NAMED, breast_cancer
from zoo.errors import DataError

BENIGN, MALIGNANT = "breast-cancer-benign", "breast-cancer-malignant"


def test_the_parts_are_the_rows_of_each_diagnosis_by_their_hash():
    rows, target = load_breast_cancer(return_X_y=True)
    parts = [load_examples(BENIGN, one) for one in ("train", "validation", "test")]
    assert [len(one) for one in parts] == [217, 70, 70]
    found = torch.cat([one.first(len(one)) for one in parts]).numpy()
    assert found.dtype == np.float64
    assert np.array_equal(np.sort(found, 0), np.sort(rows[target == 1], 0))
    hashes = [hashlib.sha256(row.tobytes()).hexdigest() for row in found]
    assert hashes == sorted(hashes)
    malignant = load_examples(MALIGNANT, None)
    assert malignant.split == "all"
    assert np.array_equal(np.sort(malignant.first(212).numpy(), 0), np.sort(rows[target == 0], 0))


def test_other_rows_than_the_published_ones_are_refused(monkeypatch):
    other = {"all": np.zeros((357, 30))}
    monkeypatch.setattr(breast_cancer.BreastCancer, "whole", lambda self: other)
    with pytest.raises(DataError, match="the installed scikit-learn has other data"):
        NAMED[BENIGN].read()
