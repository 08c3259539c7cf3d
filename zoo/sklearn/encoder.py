"""A trained model as a transformer of scikit-learn's: examples -> codes, in pipelines and searches."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_array, validate_data
from torch import Tensor

from zoo.api.models import load
from zoo.errors import InputError
from zoo.likelihoods.fitting import accepts_missing
from zoo.models import Autoencoder
from zoo.models.inputs import invalid_inputs

AT_ONCE = 500
"""Examples that are encoded or decoded at once."""


class Encoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Codes of examples. The model is trained already: `fit` loads it, and `transform` works without `fit`.

    A model of rows takes `(N, D)`, float32 or float64 in the user's units: it standardizes them itself.
    One of series takes `(N, C, L)`, and one of images `(N, C, H, W)`, numbers in [0, 1], gray ones
    `(N, H, W)` too; both also take flat rows, `(N, C * L)` and `(N, C * H * W)`.

    Args:
        model: what `zoo.load` takes: a published name, a folder, a repo on the Hub.
        device: where to compute; `"auto"` is a GPU where there is one.
    """

    def __init__(self, model: str | Path, *, device: str = "cpu") -> None:
        self.model = model
        self.device = device

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803  # its name in scikit-learn
        """Loads the model and checks the examples; nothing is learned from them.

        Raises what `zoo.load` does, and ValueError for examples that the model does not take.
        """
        self.model_ = load(self.model, device=self.device)
        self.model_._inputs(self._examples(self.model_, X, is_fit=True), "encode")
        self.shape_ = _layout(X)
        return self

    def transform(self, X: Any) -> np.ndarray:  # noqa: N803
        """Codes of examples, `(N, D)` float32, flat; a variational model's are posterior means.

        Raises ValueError for examples that the model does not take.
        """
        model = self._loaded()
        with torch.inference_mode():
            parts = self._examples(model, X).split(AT_ONCE)
            codes = torch.cat([model.encode(x).flatten(1).cpu() for x in parts]).numpy()
        if "model_" not in vars(self):
            self._given = _layout(X)
        return codes

    def inverse_transform(self, X: Any) -> np.ndarray:  # noqa: N803
        """The expected examples of codes `(N, D)`, in the layout that it was fitted on.

        Without a fit the layout is that of the last `transform`, else the model's own. Images are
        float32 in [0, 1]; rows and series float64, in the user's units.

        Raises ValueError for codes of another shape than the model's.
        """
        model = self._loaded()
        codes = torch.tensor(check_array(X, dtype="float32"))
        if codes.shape[1] == math.prod(model.latent_shape):
            codes = codes.unflatten(1, model.latent_shape)
        with torch.inference_mode():
            x = torch.cat([model.decode(z).cpu() for z in codes.split(AT_ONCE)])
        layout = vars(self).get("shape_", vars(self).get("_given", ()))
        return x.reshape(len(x), *(layout or model.spec.input_shape)).numpy()

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = []
        return tags

    @property
    def _n_features_out(self) -> int:
        return math.prod(self._loaded().latent_shape)

    def _loaded(self) -> Autoencoder:
        """The model; without a fit it is loaded once for each `model` and `device`."""
        if "model_" in vars(self):
            return self.model_
        requested = (str(self.model), str(self.device))
        if vars(self).get("_cached", (None, None))[0] != requested:
            self._cached = requested, load(self.model, device=self.device)
            self._given = ()
        return self._cached[1]

    def _examples(self, model: Autoencoder, X: Any, is_fit: bool = False) -> Tensor:  # noqa: N803
        """Examples as the model takes them, but for their values. Raises ValueError."""
        shape = model.spec.input_shape
        dtypes = [np.float32] if model.spec.domain.is_image else [np.float64, np.float32]
        given = _layout(X)
        if len(given) > 1:  # of several axes: scikit-learn checks rows alone
            is_gray = model.spec.domain.is_image and len(given) == 2
            if (1, *given) != shape if is_gray else given != shape:
                array = np.asarray(X, dtype=dtypes[0])
                raise InputError(invalid_inputs(torch.tensor(array), "encode", model.spec))
            X = np.asarray(X).reshape(len(X), -1)  # noqa: N806
        finite = "allow-nan" if accepts_missing(model.spec) else True
        rows = validate_data(self, X, reset=is_fit, dtype=dtypes, ensure_all_finite=finite)
        rows = torch.tensor(rows)
        fits = rows.shape[1] == math.prod(shape)
        return rows.unflatten(1, shape) if fits else rows


def _layout(X: Any) -> tuple[int, ...]:  # noqa: N803
    """The shape of one example; () for what has no shape, such as a list."""
    return tuple(getattr(X, "shape", ()))[1:]
