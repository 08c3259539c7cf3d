"""Measuring a model: bounds on its likelihood, reconstruction, and how a report is checked."""

from zoo.evaluation.evaluate import default_protocol, evaluate_model
from zoo.evaluation.metrics import Metrics

__all__ = ["Metrics", "default_protocol", "evaluate_model"]
