"""A trained model as a transformer of scikit-learn's: images -> codes, in pipelines and searches."""

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

from zoo.api import load
from zoo.models import Autoencoder

AT_ONCE = 500
"""Images that are encoded or decoded in one go."""


class Encoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Codes of images. The model is trained already: `fit` loads it, and `transform` does without `fit`.

    Images are `(N, C, H, W)`, gray ones `(N, H, W)`, or flat rows `(N, C * H * W)`, numbers in [0, 1].

    Args:
        model: what `zoo.load` takes: a published name, a folder, a repo on the Hub.
        device: where to compute; `"auto"` is a GPU where there is one.
    """

    def __init__(self, model: str | Path, *, device: str = "cpu") -> None:
        self.model = model
        self.device = device

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803  # its name in scikit-learn
        """Loads the model and checks the images; nothing is learned from them.

        Raises what `zoo.load` does, and ValueError for what are not images of the model's shape.
        """
        self.model_ = load(self.model, device=self.device)
        self._images(self.model_, X, is_fit=True)
        self.shape_ = tuple(getattr(X, "shape", ()))[1:]
        return self

    def transform(self, X: Any) -> np.ndarray:  # noqa: N803
        """Codes of images, `(N, D)` float32, flat; a variational model's are posterior means.

        Raises ValueError for what are not images of the model's shape.
        """
        model = self._loaded()
        with torch.inference_mode():
            parts = self._images(model, X).split(AT_ONCE)
            return torch.cat([model.encode(x).flatten(1).cpu() for x in parts]).numpy()

    def inverse_transform(self, X: Any) -> np.ndarray:  # noqa: N803
        """The expected images of codes `(N, D)`: float32 in [0, 1], in the layout that it was fitted on.

        Without a fit they are `(N, C, H, W)`.

        Raises ValueError for what are not codes of the model's.
        """
        model = self._loaded()
        codes = torch.tensor(check_array(X, dtype="float32"))
        if codes.shape[1] == math.prod(model.latent_shape):
            codes = codes.unflatten(1, model.latent_shape)
        with torch.inference_mode():
            images = torch.cat([model.decode(z).cpu() for z in codes.split(AT_ONCE)])
        return images.reshape(len(images), *vars(self).get("shape_", images.shape[1:])).numpy()

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = []
        return tags

    @property
    def _n_features_out(self) -> int:
        return math.prod(self._loaded().latent_shape)

    def _loaded(self) -> Autoencoder:
        if "model_" in vars(self):
            return self.model_
        asked = (str(self.model), str(self.device))
        if vars(self).get("_cached", (None, None))[0] != asked:
            self._cached = asked, load(self.model, device=self.device)
        return self._cached[1]

    def _images(self, model: Autoencoder, X: Any, is_fit: bool = False) -> Tensor:  # noqa: N803
        """Images `(N, C, H, W)`, checked. Raises ValueError."""
        shape = model.spec.input_shape
        given = list(getattr(X, "shape", ()))[1:]
        if [1] * (len(given) == 2) + given == list(shape):
            X = np.asarray(X).reshape(len(X), -1)  # noqa: N806
        elif len(given) > 1:  # refused with what to write
            return model._images(torch.tensor(np.asarray(X, dtype=np.float32)), "encode")
        rows = torch.tensor(validate_data(self, X, reset=is_fit, dtype=np.float32))
        fits = rows.shape[1] == math.prod(shape)
        return model._images(rows.unflatten(1, shape) if fits else rows, "encode")
