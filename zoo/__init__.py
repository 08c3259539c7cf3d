"""A zoo of autoencoders that people can trust.

    import zoo
    model = zoo.load("vae-mnist-20")

What is listed in `__all__` is the public API, and `zoo.testing` for families of your own. It is imported when it is first used: `import zoo`
alone imports neither torch nor anything else that is slow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from zoo.version import __version__

if TYPE_CHECKING:
    from zoo.api import build, evaluate, info, load, save, verify
    from zoo.errors import (
        DataError,
        DeviceError,
        HubError,
        InputError,
        IntegrityError,
        MismatchError,
        OfflineError,
        PluginError,
        RecipeError,
        SourceError,
        SpecError,
        TrainingError,
        UnknownNameError,
        UnsafeFormatError,
        WeightsError,
        ZooError,
    )
    from zoo.evaluation.report import Report
    from zoo.hub.pull import pull
    from zoo.hub.push import Published, push
    from zoo.models import Autoencoder, Loss, VariationalAutoencoder
    from zoo.registry.families import list_families, register
    from zoo.registry.published import list_models
    from zoo.specs.base import Spec
    from zoo.specs.info import ModelInfo
    from zoo.specs.metrics import Metrics
    from zoo.training.recipe import Recipe
    from zoo.training.run import Run, train

_HOMES = {  # and zoo.errors of all the others
    "zoo.api": ("build", "evaluate", "info", "load", "save", "verify"),
    "zoo.specs.metrics": ("Metrics",),
    "zoo.registry.families": ("list_families", "register"),
    "zoo.specs.info": ("ModelInfo",),
    "zoo.hub.pull": ("pull",),
    "zoo.hub.push": ("Published", "push"),
    "zoo.models": ("Autoencoder", "Loss", "VariationalAutoencoder"),
    "zoo.registry.published": ("list_models",),
    "zoo.evaluation.report": ("Report",),
    "zoo.specs.base": ("Spec",),
    "zoo.training.recipe": ("Recipe",),
    "zoo.training.run": ("Run", "train"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [  # noqa: RUF022  # sorted as _HOMES is
    "__version__",
    "build",
    "evaluate",
    "info",
    "load",
    "save",
    "verify",
    "DataError",
    "DeviceError",
    "HubError",
    "InputError",
    "IntegrityError",
    "MismatchError",
    "OfflineError",
    "PluginError",
    "RecipeError",
    "SourceError",
    "SpecError",
    "TrainingError",
    "UnknownNameError",
    "UnsafeFormatError",
    "WeightsError",
    "ZooError",
    "Metrics",
    "Report",
    "list_families",
    "register",
    "ModelInfo",
    "pull",
    "Published",
    "push",
    "Autoencoder",
    "Loss",
    "VariationalAutoencoder",
    "list_models",
    "Spec",
    "Recipe",
    "Run",
    "train",
]


def __getattr__(name: str):
    if name == "testing":
        return importlib.import_module("zoo.testing")
    if name not in __all__:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME_OF.get(name, "zoo.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
