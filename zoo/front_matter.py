"""The front matter of a model card: what the Hub reads of it, to list, filter and compare models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.folder import ModelInfo
from zoo.record import rows
from zoo.specs import VAESpec

DATASETS = {
    "mnist": ("MNIST", "ylecun/mnist"),
    "fashion-mnist": ("Fashion-MNIST", "zalando-datasets/fashion_mnist"),
    "kmnist": ("Kuzushiji-MNIST", "tanganke/kmnist"),
    "digits": ("the 8 x 8 digits of scikit-learn", None),
}
"""By the zoo's name: what people call it, and the Hub's id."""


def is_variational(info: ModelInfo) -> bool:
    """Whether a model has a prior, and so samples and a bound."""
    return isinstance(info.spec, VAESpec) or bool(
        any(
            "kl" in one and one["kl"] is not None
            for one in (info.metrics or {}).get("measured", [])
        )
    )


def front_matter(info: ModelInfo, title: str, record: Mapping[str, Any]) -> str:
    """The YAML between two `---` with which a card begins.

    Args:
        info: of the model.
        title: what to call it.
        record: its metrics.json.
    """
    from huggingface_hub import EvalResult, ModelCardData

    _, dataset = DATASETS.get(info.data or "", ("", None))
    task = "unconditional-image-generation" if is_variational(info) else "image-feature-extraction"
    results = [
        EvalResult(
            task_type=task,
            dataset_type=dataset or str(one["dataset"]),
            dataset_name=f"{one['dataset']} ({one['protocol']})",
            dataset_config=str(one["protocol"]),  # two protocols never share an entry
            dataset_split=str(one["split"]),
            metric_type=name,
            metric_name=f"{name}, {unit}" if unit else name,
            metric_value=one[name],
        )
        for one in record.get("measured", [])
        for name, _, unit in rows(one)
    ]
    data = ModelCardData(
        library_name="autoencoder-zoo",
        license=info.licence,
        pipeline_tag=task,
        tags=["autoencoder", info.family, "pytorch", "safetensors"],
        datasets=[dataset] if dataset else None,
        model_name=title if results else None,
        eval_results=results or None,
        ignore_metadata_errors=True,
    )
    return f"---\n{data.to_yaml()}\n---"
