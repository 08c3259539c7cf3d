"""Models in scikit-learn: `Encoder`, a transformer."""

from zoo.sklearn.encoder import Encoder

__all__ = ["Encoder"]
