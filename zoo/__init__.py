"""A zoo of autoencoders that people can trust.

    import zoo
    model = zoo.load("vae-mnist-20")

What is listed in `__all__` is the public API, and `zoo.testing` for families of your own, `zoo.sklearn`
for pipelines. Each name is imported when it is first used: `import zoo` alone imports neither torch nor
anything else that is slow. Type checkers read `__init__.pyi`, which says the same.
"""

from __future__ import annotations

import importlib

from zoo.version import __version__

_MODULES = {
    "zoo.api.models": ("build", "info", "load", "save"),
    "zoo.api.compression": ("compress", "decompress"),
    "zoo.errors": (
        "DataError",
        "DeviceError",
        "ExportError",
        "HubError",
        "InputError",
        "IntegrityError",
        "MismatchError",
        "OfflineError",
        "NotInstalledError",
        "PluginError",
        "RecipeError",
        "SourceError",
        "SpecError",
        "TrainingError",
        "UnknownNameError",
        "UnsafeFormatError",
        "WeightsError",
        "ZooError",
    ),
    "zoo.detection.evaluate": ("Detection",),
    "zoo.detection.score": ("Scores",),
    "zoo.detection.scores.base": ("Score",),
    "zoo.detection.scores.registry": ("register_score",),
    "zoo.evaluation.report": ("Report",),
    "zoo.export.write": ("Exported", "export_onnx", "export_torch"),
    "zoo.hub.pull": ("pull",),
    "zoo.hub.push": ("Published", "push"),
    "zoo.integers.forms": ("register_exact",),
    "zoo.integers.base": ("ExactModel",),
    "zoo.integers.models": ("exact",),
    "zoo.likelihoods.base": ("Likelihood",),
    "zoo.likelihoods.field": ("AnyLikelihood",),
    "zoo.likelihoods.registry": ("register_likelihood",),
    "zoo.api.evaluation": ("evaluate", "measure_reconstructions", "verify"),
    "zoo.models": ("Autoencoder", "Batch", "Code", "Loss", "VariationalAutoencoder"),
    "zoo.models.parts.likelihoods": ("LikelihoodHead",),
    "zoo.registry.families": ("list_families", "register"),
    "zoo.registry.published": ("list_models",),
    "zoo.api.restoration": ("denoise", "impute", "inpaint"),
    "zoo.api.detection": ("evaluate_detection", "score"),
    "zoo.sklearn.detector": ("load_detector",),
    "zoo.specs.base": ("Spec",),
    "zoo.specs.info": ("ModelInfo",),
    "zoo.specs.metrics": ("Metrics",),
    "zoo.specs.reconstruction": ("Reconstructions",),
    "zoo.training.recipe": ("Recipe",),
    "zoo.training.run": ("Run", "train"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = ["__version__", *_MODULE_OF]  # pyright: ignore[reportUnsupportedDunderAll]  # the stub lists them


def __getattr__(name: str):
    if name in ("sklearn", "testing"):
        return importlib.import_module(f"zoo.{name}")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
