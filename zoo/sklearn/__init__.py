"""Models in scikit-learn: `Encoder`, a transformer; `Detector` and `PyODDetector`, outlier detectors."""

from zoo.sklearn.detector import Detector, load_detector
from zoo.sklearn.encoder import Encoder
from zoo.sklearn.pyod import PyODDetector

__all__ = ["Detector", "Encoder", "PyODDetector", "load_detector"]
