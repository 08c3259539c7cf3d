"""The front matter of a model card, which the Hub reads to list, filter and compare models."""

from __future__ import annotations

from zoo.cards import words
from zoo.cards.record import rows
from zoo.datasets import NAMED
from zoo.registry import families
from zoo.specs.info import ModelInfo
from zoo.specs.record import Record


def front_matter(info: ModelInfo, title: str, record: Record) -> str:
    """The YAML between `---` lines at the start of a card.

    Args:
        info: the model's metadata.
        title: the model's title.
        record: its metrics.json.
    """
    from huggingface_hub import EvalResult, ModelCardData

    task = words.task(info.spec.domain, families.get(info.family).is_variational)
    on_hub = {name: one.hub for name, one in NAMED.items()}
    dataset = on_hub.get(info.data or "")
    results = [
        EvalResult(
            task_type=task,
            dataset_type=on_hub.get(one.dataset) or one.dataset,
            dataset_name=f"{one.dataset} ({one.protocol})",
            dataset_config=one.protocol,  # two protocols never share an entry
            dataset_split=one.split,
            metric_type=row.name,
            metric_name=f"{row.name}, {row.unit}" if row.unit else row.name,
            metric_value=row.value,
        )
        for one in record.measured
        for row in rows(one)
    ]
    licenses = info.license.split(", ") if info.license else []
    data = ModelCardData(
        library_name="autoencoder-zoo",
        license=licenses[0] if len(licenses) == 1 else licenses or None,  # pyright: ignore[reportArgumentType]  # its stub omits lists
        license_name=info.license_details.get("license_name"),
        license_link=info.license_details.get("license_link"),
        pipeline_tag=task,
        tags=["autoencoder", info.family, *words.tags(info.spec.domain), "pytorch", "safetensors"],
        datasets=[dataset] if dataset else None,
        model_name=title if results else None,
        eval_results=results or None,
        ignore_metadata_errors=True,
    )
    return f"---\n{data.to_yaml()}\n---"
