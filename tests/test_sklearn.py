"""`zoo.sklearn.Encoder`: scikit-learn's own checks, and what people build with it."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import zoo
from zoo.errors import InputError, UnknownNameError
from zoo.sklearn import Encoder


class RowsSpec(zoo.Spec):
    domains = ("vector",)

    @property
    def latent_shape(self):
        return (2,)


class Rows(zoo.Autoencoder):
    """Takes rows of any width: scikit-learn's checks have rows of one to ten numbers."""

    Spec = RowsSpec

    def __init__(self, spec):
        super().__init__(spec)
        generator = torch.Generator().manual_seed(0)
        self.weight = torch.nn.Parameter(torch.randn(spec.input_size, 2, generator=generator))

    def _encode(self, x):
        # float32 has other last bits for a row in another place, on some processors
        return (x.double() @ self.weight.double()).float()

    def _decode(self, z):
        return z @ self.weight.T


class OfAnyWidth(Encoder):
    """An Encoder whose model takes rows as wide as those that it is fitted on."""

    def fit(self, X, y=None):  # noqa: N803
        width = (X if hasattr(X, "shape") else np.asarray(X)).shape[-1] or 1
        with pytest.MonkeyPatch.context() as patch:
            model = Rows(RowsSpec(input_shape=(width,)))
            patch.setattr("zoo.sklearn.encoder.load", lambda source, device: model)
            return super().fit(X, y)


NOT_PASSED = {
    "check_transformers_unfitted_stateless": "without fit it loads a model by its name",
}


@parametrize_with_checks([OfAnyWidth("rows")], expected_failed_checks=lambda estimator: NOT_PASSED)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Flat rows `(N, 64)` in [0, 1], and what they show."""
    levels, labels = load_digits(return_X_y=True)
    return levels / 16, labels


def test_its_codes_and_images_are_those_of_the_model(digits):
    rows, model = digits[0][:20], zoo.load("vae-digits-8")
    x = torch.tensor(rows, dtype=torch.float32).view(-1, 1, 8, 8)
    with torch.no_grad():
        z = model.encode(x)
        y = model.decode(z)
    encoder = Encoder("vae-digits-8")
    for images, expected in ((rows, y.flatten(1)), (x, y), (x.numpy(), y), (x[:, 0], y[:, 0])):
        codes = encoder.fit_transform(images)
        np.testing.assert_allclose(codes, z, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(encoder.inverse_transform(codes), expected, atol=1e-6)


def test_it_needs_no_fit(digits):
    codes = Encoder("vae-digits-8").transform(digits[0][:3])
    assert (codes.shape, codes.dtype) == ((3, 8), np.float32)
    assert Encoder("vae-digits-8").inverse_transform(codes).shape == (3, 1, 8, 8)


def test_flat_rows_come_back_flat_without_a_fit(digits):
    encoder = Encoder("vae-digits-8")
    assert encoder.inverse_transform(encoder.transform(digits[0][:3])).shape == (3, 64)
    images = digits[0][:3].reshape(-1, 8, 8)
    assert encoder.inverse_transform(encoder.transform(images)).shape == (3, 8, 8)


def test_it_loads_its_model_once(digits, monkeypatch):
    loads = []
    monkeypatch.setattr(
        "zoo.sklearn.encoder.load", lambda *a, **k: loads.append(a) or zoo.load(*a, **k)
    )
    encoder = Encoder("vae-digits-8")
    for _ in range(2):
        encoder.inverse_transform(encoder.transform(digits[0][:3]))
        encoder.get_feature_names_out()
    assert loads == [("vae-digits-8",)]
    assert clone(encoder.set_params(model="vae-mnist-20")).get_feature_names_out().shape == (20,)
    assert encoder.get_feature_names_out().shape == (20,)  # of another model


def test_a_pipeline_with_it_reads_digits_and_survives_cloning_and_pickling(digits):
    rows, labels = digits
    pipeline = clone(make_pipeline(Encoder("vae-digits-8"), LogisticRegression(max_iter=500)))
    pipeline.fit(rows[:1297], labels[:1297])
    assert pipeline.score(rows[1497:], labels[1497:]) > 0.8
    again = pickle.loads(pickle.dumps(pipeline))
    assert (again.predict(rows[1497:]) == pipeline.predict(rows[1497:])).all()


def test_a_grid_search_chooses_a_model(digits, tmp_path):
    rows, labels = digits[0][:300], digits[1][:300]
    zoo.save(zoo.build("vae", input_shape=(1, 8, 8), latent_dim=1, seed=0), tmp_path / "worse")
    pipeline = make_pipeline(Encoder("vae-digits-8"), LogisticRegression(max_iter=500))
    grid = {"encoder__model": [str(tmp_path / "worse"), "vae-digits-8"]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(rows, labels)
    assert search.best_params_ == {"encoder__model": "vae-digits-8"}


def test_its_columns_have_names(digits):
    encoder = Encoder("vae-digits-8").fit(digits[0][:3])
    assert encoder.get_feature_names_out().tolist() == [f"encoder{i}" for i in range(8)]


@pytest.mark.parametrize(
    ("images", "why"),
    [
        (np.zeros((2, 63)), r"encode takes \(N, 1, 8, 8\), float in \[0, 1\]; got \(2, 63\)"),
        (np.full((2, 64), 16.0), r"values from 16 to 16. For levels from 0 to 16, try x / 16"),
        (np.zeros((2, 9, 9)), r"encode takes \(N, 1, 8, 8\), float in \[0, 1\]; got \(2, 9, 9\)"),
    ],
    ids=["width", "range", "dimensions"],
)
def test_what_are_no_images_of_the_model_is_refused(images, why):
    for do in (Encoder("vae-digits-8").fit, Encoder("vae-digits-8").transform):
        with pytest.raises(ValueError, match=why):
            do(images)


def test_codes_of_another_model_are_refused():
    with pytest.raises(InputError, match=r"decode takes \(..., 8\), float; got \(2, 5\)"):
        Encoder("vae-digits-8").inverse_transform(np.zeros((2, 5)))


def test_an_unknown_model_is_named_when_it_is_fitted(digits):
    with pytest.raises(UnknownNameError, match="Did you mean 'vae-digits-8'"):
        Encoder("vae-digit-8").fit(digits[0])


# Rows and series


def a_table(count: int = 40) -> np.ndarray:
    """Rows whose first column is a timestamp, float64."""
    rows = np.random.default_rng(0).normal(size=(count, 5)) * [3600, 1, 10, 1e-3, 1]
    return rows + np.array([1.7e9, 0, -5, 0, 1])


def model_of(x: np.ndarray) -> zoo.Autoencoder:
    """A model that standardizes such examples, untrained."""
    model = zoo.build(
        "ae", input_shape=x.shape[1:], latent_dim=2, body={"kind": "mlp"}, seed=0
    ).eval()
    assert model.standardization is not None
    axes = (0,) if x.ndim == 2 else (0, 2)
    mean, scale = (torch.tensor(f(x, axis=axes, keepdims=True))[0] for f in (np.mean, np.std))
    model.standardization.set(mean, scale)
    return model


@pytest.fixture
def loads_it(monkeypatch):
    """Gives what makes every Encoder load a model of some examples."""

    def loads(x: np.ndarray) -> zoo.Autoencoder:
        model = model_of(x)
        monkeypatch.setattr("zoo.sklearn.encoder.load", lambda source, device: model)
        return model

    return loads


def test_rows_are_taken_and_given_in_the_users_units(loads_it):
    rows = a_table()
    model = loads_it(rows)
    with torch.no_grad():
        z = model.encode(torch.tensor(rows))
        y = model.decode(z)
    for encoder in (Encoder("table"), Encoder("table").fit(rows)):
        codes = encoder.transform(rows)
        np.testing.assert_allclose(codes, z, rtol=1e-5, atol=1e-6)
        back = encoder.inverse_transform(codes)
        assert back.dtype == np.float64
        np.testing.assert_array_equal(back, y)
    assert not np.array_equal(
        codes, encoder.transform(rows + np.array([1, 0, 0, 0, 0]))
    )  # a second later


def test_a_data_frame_of_rows_is_taken(loads_it):
    pandas = pytest.importorskip("pandas")
    rows = a_table()
    loads_it(rows)
    frame = pandas.DataFrame(rows, columns=list("abcde"))
    encoder = Encoder("table").fit(frame)
    assert encoder.feature_names_in_.tolist() == list("abcde")
    np.testing.assert_array_equal(encoder.transform(frame), Encoder("table").transform(rows))


def test_a_table_goes_through_a_pipeline_with_scalers_on_both_sides(loads_it):
    rows = a_table()
    labels = rows[:, 1] > 0
    loads_it(StandardScaler().fit_transform(rows))
    steps = (StandardScaler(), Encoder("table"), StandardScaler(), LogisticRegression())
    pipeline = make_pipeline(*steps).fit(rows, labels)
    assert pipeline.predict(rows).shape == labels.shape
    undone = make_pipeline(*steps[:2]).fit(rows)
    assert undone.inverse_transform(undone.transform(rows)).shape == rows.shape


def test_series_are_taken_with_their_axes_or_flat(loads_it):
    series = np.random.default_rng(0).normal(size=(6, 2, 16)) * 1e3 + 1e6
    loads_it(series)
    flat = series.reshape(6, -1)
    codes = Encoder("series").fit_transform(series)
    np.testing.assert_array_equal(Encoder("series").fit_transform(flat), codes)
    assert Encoder("series").fit(flat).inverse_transform(codes).shape == (6, 32)
    assert Encoder("series").fit(series).inverse_transform(codes).shape == (6, 2, 16)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (np.zeros((2, 4)), r"encode takes \(N, 5\), float32 or float64, finite; got \(2, 4\)"),
        (
            np.zeros((2, 1, 5)),
            r"encode takes \(N, 5\), float32 or float64, finite; got \(2, 1, 5\)",
        ),
        (np.full((2, 5), np.nan), "contains NaN"),
    ],
    ids=["width", "dimensions", "nan"],
)
def test_other_rows_are_refused(loads_it, given, why):
    loads_it(a_table())
    for do in (Encoder("table").fit, Encoder("table").transform):
        with pytest.raises(ValueError, match=why):
            do(given)
