"""Import of torchvision, which must match the installed torch."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import distributions
from types import ModuleType

from zoo.errors import DataError


def torchvision_part(name: str) -> ModuleType:
    """torchvision's `datasets` or `utils`. Raises DataError if it is missing or built for another torch."""
    try:
        return import_module(f"torchvision.{name}")
    except (ImportError, RuntimeError) as clash:
        import torch

        installed = [found.version for found in distributions(name="torchvision")]
        raise DataError(
            f"torchvision {(installed or ['(not installed)'])[0]} and torch {torch.__version__} do "
            f"not work together ({clash}). Install the torchvision built for your torch."
        ) from clash
