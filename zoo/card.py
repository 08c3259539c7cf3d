"""The model card: README.md of a model's folder, made from its other files alone."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any

from zoo.folder import ModelInfo
from zoo.record import heading, rows
from zoo.specs import VAESpec
from zoo.text import number, printable

MARKER = "<!-- written by autoencoder-zoo from the other files of this folder -->"

HUB_DATASETS = {
    "mnist": "ylecun/mnist",
    "fashion-mnist": "zalando-datasets/fashion_mnist",
    "kmnist": "tanganke/kmnist",
}


def render_card(info: ModelInfo) -> str:
    """README.md, front matter and body. The same folder gives the same card wherever it lies."""
    record = info.metrics or {}
    title = card_title(info)
    parts = [
        _front_matter(info, title, record),
        f"{MARKER}\n# {_escaped(title)}",
        _what_it_is(info),
        _how_to_load(info),
        _how_it_ended(record),
        _numbers(record),
        _pictures(info),
        _purpose(info, record),
        _again(info, record),
        CITATION,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def card_title(info: ModelInfo) -> str:
    """The published name if the recipe ran unchanged, else what the model is."""
    training = (info.metrics or {}).get("training") or {}
    name = training.get("recipe")
    if name and not training.get("changed"):
        return str(name)
    return f"{info.family} trained on {info.data}" if info.data else f"{info.family}, untrained"


def _variational(info: ModelInfo) -> bool:
    return isinstance(info.spec, VAESpec) or bool(
        any(
            "kl" in one and one["kl"] is not None
            for one in (info.metrics or {}).get("measured", [])
        )
    )


def _front_matter(info: ModelInfo, title: str, record: Mapping[str, Any]) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    dataset = HUB_DATASETS.get(info.data or "")
    task = "unconditional-image-generation" if _variational(info) else "image-feature-extraction"
    results = [
        EvalResult(
            task_type=task,
            dataset_type=dataset or str(one["dataset"]),
            dataset_name=f"{one['dataset']} ({one['protocol']})",
            dataset_split=str(one["split"]),
            metric_type=name,
            metric_value=one[name],
        )
        for one in record.get("measured", [])
        for name, _, _ in rows(one)
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


def _what_it_is(info: ModelInfo) -> str:
    shape = " x ".join(map(str, info.spec.image_shape))
    kind = "variational autoencoder" if _variational(info) else "autoencoder"
    latents = " x ".join(map(str, info.spec.latent_shape))
    trained = f"trained on {_escaped(info.data)}" if info.data else "with no recipe on record"
    return (
        f"This is a {kind} (family `{info.family}`, {info.parameters:,} parameters) {trained}. It "
        f"turns an image of {shape} (channels, height, width) into {latents} numbers and back."
    )


def _how_to_load(info: ModelInfo) -> str:
    training = (info.metrics or {}).get("training") or {}
    published = training.get("recipe") and not training.get("changed")
    source = f'"{training["recipe"]}"' if published else '"./folder"  # where these files are'
    return "\n".join(
        [
            "```python",
            "import zoo  # pip install autoencoder-zoo",
            f"model = zoo.load({source})"
            if published
            else f"model = zoo.load({source}".replace("  #", ")  #"),
            "z = model.encode(x)  # x: (N, C, H, W), float in [0, 1]; x_hat = model.decode(z)",
            "```",
        ]
    )


def _how_it_ended(record: Mapping[str, Any]) -> str:
    training = record.get("training") or {}
    lines = []
    if training.get("interrupted"):
        lines.append(
            f"**Training was interrupted** after {training.get('epochs')} of "
            f"{training.get('of_epochs')} epochs; these are the weights at that moment."
        )
    if training.get("changed"):
        changes = ", ".join(f"`{_escaped(f'{k} = {v}')}`" for k, v in training["changed"].items())
        base = (
            f"the recipe `{_escaped(training['recipe'])}`" if training.get("recipe") else "a recipe"
        )
        lines.append(f"It was trained by {base}, changed: {changes}.")
    return "\n\n".join(lines)


def _numbers(record: Mapping[str, Any]) -> str:
    measured = record.get("measured") or []
    if not measured:
        return "## Numbers\n\nNothing was measured of these weights."
    parts = ["## Numbers"]
    for one in measured:
        table = ["| metric | value | unit |", "|---|---|---|"]
        table += [f"| `{name}` | {value} | {unit} |" for name, value, unit in rows(one)]
        parts.append(f"On {_escaped(heading(one))}:\n\n" + "\n".join(table))
    if record.get("beside"):
        parts.append(_beside(measured[0], record["beside"]))
    return "\n\n".join(parts) + "\n\n" + NOTES


def _beside(own: Mapping[str, Any], others: Mapping[str, Mapping[str, Any]]) -> str:
    names = [
        name
        for name in ("neg_elbo", "reconstruction", "kl", "active_units", "mse")
        if own.get(name) is not None
    ]
    lines = [
        "Beside it, the same body, schedule and seed:",
        "",
        "| model | " + " | ".join(f"`{name}`" for name in names) + " |",
        "|---" * (len(names) + 1) + "|",
    ]
    for what, one in {"this model": own, **others}.items():
        cells = [number(one.get(name), one.get(f"{name}_se")) for name in names]
        lines.append(f"| {_escaped(what)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


NOTES = (
    "Nats are per image, lower is better; ± is one standard error. `binarised` draws each pixel as "
    "a coin with its grey level as probability, once; `grey` is the cross-entropy against grey "
    "levels, as tutorials print it, which is no likelihood. `mse`, `psnr` and `ssim` are of grey "
    "images through `decode(encode(x))`."
)


def _pictures(info: ModelInfo) -> str:
    captions = {
        "reconstructions": "Originals, and below each row their reconstructions.",
        "samples": "Expected images of codes drawn from the prior.",
        "traversals": "One latent a row, moved over three standard deviations around one image's code.",
    }
    folder = info.folder
    there = [n for n in captions if folder and (folder / "figures" / f"{n}.png").is_file()]
    shown = [f"![{name}](figures/{name}.png)\n\n{captions[name]}" for name in there]
    return "\n\n".join(["## Pictures", *shown]) if shown else ""


def _purpose(info: ModelInfo, record: Mapping[str, Any]) -> str:
    measured = (record.get("measured") or [{}])[0]
    latents = " x ".join(map(str, info.spec.latent_shape))
    good = (
        f"Codes of {latents} numbers for images like those of {_escaped(info.data or 'its data')}"
    )
    if measured.get("mse") is not None:
        good += (
            f", from which they come back with a squared error of {number(measured['mse'], measured.get('mse_se'))} "
            f"per pixel ({number(measured.get('psnr'), measured.get('psnr_se'))} dB)"
        )
    bad = (
        f"Images of another size than {' x '.join(map(str, info.spec.image_shape))} are refused, and "
        "other kinds of image come back as the nearest thing it has seen"
    )
    units = measured.get("active_units")
    if units is not None:
        bad += f". Of its latents, {units} are in use"
    if _variational(info):
        bad += ". Samples show the expected image, which is smoother than a real one"
    else:
        bad += ". It has no prior: random codes do not give images"
    return f"## What it is for, and what not\n\n{good}.\n\n{bad}."


def _again(info: ModelInfo, record: Mapping[str, Any]) -> str:
    if info.recipe is None:
        return ""
    training = record.get("training") or {}
    name = training.get("recipe")
    published = name and not training.get("changed")
    train = f"zoo train {name}" if published else "zoo train recipe.toml"
    where = name if published else "./folder"
    with_ = record.get("with") or {}
    on = ""
    if with_:
        on = (
            f"\n\nMeasured with autoencoder-zoo {_escaped(with_.get('autoencoder-zoo'))}, torch "
            f"{_escaped(with_.get('torch'))}, {with_.get('precision')}, {with_.get('threads')} thread(s)."
        )
    seed = tomllib.loads(info.recipe).get("training", {}).get("seed")
    return (
        "## Train and measure it again\n\n"
        f"```sh\nOMP_NUM_THREADS=1 {train}  # recipe.toml, seed {seed}; one thread gives the same bits\n"
        f"zoo verify {where} --full\n```{on}"
    )


CITATION = """## How to cite

```bibtex
@software{autoencoder_zoo,
  title = {autoencoder-zoo: trained autoencoders that you can trust},
  year = {2026}
}
```"""


def _escaped(text: object) -> str:
    """Foreign text without Markdown, HTML or control characters that would act."""
    plain = printable(str(text)).replace("\n", " ")
    return (
        re.sub(r"([\\`*_{}\[\]<>#|!])", r"\\\1", plain)
        if re.search(r"[`<>\[\]|*\\]", plain)
        else plain
    )
