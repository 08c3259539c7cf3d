"""The model card: README.md of a model's folder, generated from its other files only."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence

from zoo.cards import FIGURES, MARKER, words
from zoo.cards.front_matter import front_matter
from zoo.cards.papers import papers_of
from zoo.cards.record import heading, rows
from zoo.datasets import NAMED
from zoo.errors import RecipeError
from zoo.io.text import number, printable, with_error
from zoo.registry import families, published
from zoo.specs.corruptions import corruptions_of
from zoo.specs.data import data_settings
from zoo.specs.domains import Domain
from zoo.specs.ground import ground_of
from zoo.specs.info import ModelInfo
from zoo.specs.metrics import OF_FACTORS
from zoo.specs.record import Ending, Measured, Record, Seeds
from zoo.version import DISTRIBUTION

MARK = f"{MARKER} from the other files here; without this line it is yours to edit -->"

DETECTOR = "detector.json"
BODIES = {"mlp": "fully connected", "conv": "convolutional"}
SPREAD = (
    "The last column is the mean of trainings by the same recipe that differ in the seed alone, ± "
    "their standard deviation, on the same {}. Nothing was chosen among them."
)

ON_FACTORS = (
    "The scores against factors are of codes of gray images too, higher is better: `mig` with 20 "
    "bins (Chen et al. 2018), `dci_...` of random forests, informativeness being an accuracy "
    "(Eastwood & Williams 2018), `sap` with every factor as classes (Kumar et al. 2018), and "
    "`factor_vae_score` (Kim & Mnih 2018)."
)
OF_LEVELS = "`levels` is of the probability mass of an image's levels, of which there are 256."


def render_card(info: ModelInfo, source: str | None = None) -> str:
    """README.md, front matter and body. It depends on the folder's content only, not on its path.

    Args:
        info: metadata of the folder.
        source: the repo to push to, such as `org/name`; None for a folder or a published model.
    """
    record = info.metrics or Record()
    recipe = record.training.unchanged_recipe
    line = published.known(recipe)
    if source is None and line is not None and line.weights_sha256 == info.sha256:
        source = recipe
    trained = f"{info.family} trained on {info.data}" if info.data else ""
    title = recipe or trained or f"a model of family {info.family}"
    parts = [
        front_matter(info, title, record),
        f"{MARK}\n# {_escaped(title)}",
        _what_it_is(info),
        _how_to_load(info, source),
        _denoiser(info),
        _detector(info, source),
        _how_it_ended(record.training),
        _numbers(record, info.spec.domain),
        _pictures(info),
        _purpose(info, record.measured[0] if record.measured else None),
        _again(info, record, source),
        _citation(info, title, source),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def source_in(card: str) -> str | None:
    """Where on the Hub a card says to load from, such as `org/name`, or None."""
    found = re.search(r'zoo\.load\("((?:hf://)?\w[\w.-]*/[\w.-]+(?:@[\w./+-]+)?)"\)', card)
    return found.group(1) if found else None


def body_of(card: str) -> str:
    """A card without its front matter."""
    return card.split("\n---\n", 1)[-1] if card.startswith("---\n") else card


def _what_it_is(info: ModelInfo) -> str:
    variational = families.get(info.family).is_variational
    about = []
    if info.family in families.BUILT_IN:  # the fields of a plugin's family are unknown
        spec = info.spec.model_dump()
        presets = families.presets_of(info.family, info.spec)
        about += [f"preset `{preset.name}`" for preset in presets]
        body, likelihood = spec.get("body"), spec.get("likelihood")
        if body:
            widths = "-".join(map(str, body.get("channels") or body.get("hidden") or ()))
            about += [f"{BODIES.get(body['kind'], body['kind'])} {widths}".strip()]
        about += [f"{likelihood['kind']} likelihood"] if likelihood else []
        about += [f"a codebook of {spec['codes']} vectors"] if "codes" in spec else []
    about += [f"{info.parameters:,} parameters"]
    trained = (
        f"trained on {_data(info)}{_made_to_fit(info)}" if info.data else "with no recipe on record"
    )
    return (
        f"This is {'a variational' if variational else 'an'} autoencoder (family `{info.family}`, "
        f"{', '.join(about)}) {trained}. It turns {words.what_it_takes(info.spec.domain)} "
        f"into {words.times(info.spec.latent_shape)} numbers and back."
    )


def _data(info: ModelInfo) -> str:
    """The dataset's name in prose, with a link to the Hub."""
    if (named := NAMED.get(info.data or "")) is None:
        return _escaped(info.data or "its data")
    hub = named.hub
    return f"[{named.title}](https://huggingface.co/datasets/{hub})" if hub else named.title


def _made_to_fit(info: ModelInfo) -> str:
    """What was done to the images, in parentheses; "" if nothing."""
    try:
        done = data_settings(info.recipe or "").transform.in_words
    except RecipeError:  # of another version
        return ""
    return f" ({done})" if done else ""


def _how_to_load(info: ModelInfo, source: str | None) -> str:
    where = f'"{source}")' if source else '"./folder")  # where these files are'
    return f"""```python
import zoo  # pip install autoencoder-zoo{_and_its_family(info)}
model = zoo.load({where}
z = model.encode(x)  # x: {words.inputs(info.spec)}; x_hat = model.decode(z)
```"""


def _denoiser(info: ModelInfo) -> str:
    """What a model was trained to restore; "" for one that saw its examples as they are."""
    try:
        corrupted = corruptions_of(info.recipe or "")
    except RecipeError:  # of another version
        return ""
    if not corrupted:
        return ""
    kinds = "; ".join(one.in_words for one in corrupted)
    return f"""It was trained to restore images that are corrupted ({kinds}; pixels in [0, 1], not clipped):

```python
clean = zoo.denoise(model, noisy)  # noisy: (N, C, H, W), values may leave [0, 1]; or `zoo denoise` for pictures
```

The numbers below are of images that are not corrupted: how much it leaves them as they are."""


def _detector(info: ModelInfo, source: str | None) -> str:
    """How to find anomalies; "" for a folder without a detector."""
    if info.folder is None or not (info.folder / DETECTOR).is_file():
        return ""
    where = source or "./folder"
    return f"""It is an anomaly detector too: `{DETECTOR}` has its score, calibrated on examples that it was not trained on.

```python
detector = zoo.load_detector("{where}")
alarms = detector.predict(X) == -1  # scikit-learn's rules; detector.p_values(X)
```"""


def _and_its_family(info: ModelInfo) -> str:
    """What else loading needs: the code of a family that is not built in."""
    name = info.provider.distribution if info.provider else ""
    if not name:
        return f", and the code that registers its family, {info.family}: ask its author"
    return "" if name == DISTRIBUTION else f", and {name}, which has its family"


def _how_it_ended(training: Ending) -> str:
    lines = []
    if training.interrupted:
        lines.append(
            f"**Training was interrupted** after {training.epochs} of {training.max_epochs} epochs; "
            "these are the weights at that moment."
        )
    if training.overrides:
        told = (training.recipe, *(f"{k} = {v}" for k, v in training.overrides.items()))
        name, *texts = (" ".join(printable(str(one)).replace("`", "'").split()) for one in told)
        base = f"the recipe `{name}`" if training.recipe else "a recipe"
        changes = ", ".join(f"`{text}`" for text in texts)
        lines.append(f"It was trained by {base}, changed: {changes}.")
    return "\n\n".join(lines)


def _numbers(record: Record, domain: Domain) -> str:
    if not record.measured:
        return "## Numbers\n\nNothing was measured of these weights."
    parts = ["## Numbers"]
    for one in record.measured:
        parts.append(f"On {_escaped(heading(one))}:\n\n" + _table(one, record.seeds))
    if record.seeds:
        parts.append(SPREAD.format(domain.nouns))
    if record.baselines:
        parts.append(_beside(record.measured[0], record.baselines, domain))
    notes = [words.notes(domain)] + [ON_FACTORS] * any(
        one.mig is not None for one in record.measured
    )
    notes += [OF_LEVELS] * any(one.protocol == "levels" for one in record.measured)
    return "\n\n".join(parts) + "\n\n" + " ".join(notes)


def _table(one: Measured, seeds: Sequence[Seeds]) -> str:
    """The metrics of one split and protocol, with their spread over seeds if measured in the same way."""
    alike = next((s for s in seeds if any(_is_spread(s, one, row.name) for row in rows(one))), None)
    table = ["| metric | value | unit |", "|---|---|---|"]
    if alike:
        table = [f"| metric | value | unit | {len(alike.seeds)} seeds |", "|---|---|---|---|"]
    for row in rows(one):
        spread = alike.metrics[row.name] if alike and _is_spread(alike, one, row.name) else None
        shown = with_error(spread.mean, spread.std) if spread else ""
        over_seeds = f" {shown} |" if alike else ""
        table.append(f"| `{row.name}` | {row.text} | {_escaped(row.unit)} |{over_seeds}")
    return "\n".join(table)


def _is_spread(seeds: Seeds, one: Measured, name: str) -> bool:
    """Whether a metric's spread over seeds was measured in the same way as the metric."""
    return name in seeds.metrics and ground_of(seeds, name) == ground_of(one, name)


def _beside(own: Measured, others: dict[str, Measured], domain: Domain) -> str:
    some = ("neg_elbo", "nll", "reconstruction", "kl", "active_units", "mse", *OF_FACTORS)
    names = [name for name in some if any(_compares(name, own, one) for one in others.values())]
    lines = [
        f"Beside it, on the same {domain.nouns}:\n",
        "| model | " + " | ".join(f"`{name}`" for name in names) + " |",
        "|---" * (len(names) + 1) + "|",
    ]
    for what, one in {"this model": own, **others}.items():
        cells = [_shown(one, name) if _compares(name, own, one) else "" for name in names]
        lines.append(f"| {_escaped(what)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _compares(name: str, own: Measured, one: Measured) -> bool:
    known = None not in (own.value_of(name), one.value_of(name))
    return known and ground_of(own, name) == ground_of(one, name)


def _pictures(info: ModelInfo) -> str:
    own = families.get(info.family).own_pictures
    captions = words.captions(info.spec.domain) | {
        name: _escaped(caption) for name, caption in own.items()
    }
    shown = [
        f"![{name}]({FIGURES}/{name}.png)\n\n{caption}"
        for name, caption in captions.items()
        if info.folder and (info.folder / FIGURES / f"{name}.png").is_file()
    ]
    return "\n\n".join(["## Pictures", *shown]) if shown else ""


def _purpose(info: ModelInfo, measured: Measured | None) -> str:
    domain, latents = info.spec.domain, words.times(info.spec.latent_shape)
    good = f"Codes of {latents} numbers for {domain.nouns} like those of {_data(info)}"
    bad = words.refused(info.spec)
    if measured and measured.mse is not None:
        error = words.error(domain, _shown(measured, "mse"), _shown(measured, "psnr"))
        good += f", from which they come back with {error}"
    if measured and measured.neg_elbo is not None:
        bound = _shown(measured, "neg_elbo")
        one = f"{words.article(domain)} {domain.noun}"
        good += f". It bounds -log p(x) of such {one} by {bound} nats on average"
    if measured and measured.active_units is not None:
        used = f"{measured.active_units} are in use: the others hold nothing"
        bad += f". Of its {latents} latents, {used}"
    bad += f". {words.samples(domain, families.get(info.family))}"
    return f"## What it is for, and what not\n\n{good}.\n\n{bad}."


def _shown(measured: Measured, name: str) -> str:
    """A number in as many digits as its standard error allows."""
    return number(measured.value_of(name), measured.error_of(name))


def _again(info: ModelInfo, record: Record, source: str | None) -> str:
    if info.recipe is None:
        return ""
    name = record.training.unchanged_recipe
    recipe, pull = "folder/recipe.toml", ""
    if name and published.recipe_path(name):
        recipe = name
    elif source:
        recipe, pull = "pulled/recipe.toml", f"zoo pull {source} --to pulled\n"
    seed = _escaped(tomllib.loads(info.recipe).get("training", {}).get("seed"))
    device, trained_on = record.training.device or "cpu", record.training.threads or 1
    on = "one thread" if trained_on == 1 else f"{trained_on} threads"
    like = f"the same bits on {on} of a like machine with the same torch"
    if device != "cpu":
        trained_on = 1
        like = f"trained on {_escaped(device)}: elsewhere other bits, alike in numbers"
    text = f"""## Train and measure it again

```sh
{pull}OMP_NUM_THREADS={trained_on} zoo train {recipe}  # seed {seed}; {like}
zoo verify {source or "./folder"} --full  # measures the numbers above again
```"""
    if with_ := record.environment:
        zoo, torch, precision, threads = (
            _escaped(with_.get(key)) for key in ("autoencoder-zoo", "torch", "precision", "threads")
        )
        text += (
            f"\n\nMeasured with autoencoder-zoo {zoo} and torch {torch}, in {precision}, on "
            f"{threads} thread{'' if threads == '1' else 's'}."
        )
    return text


def _citation(info: ModelInfo, title: str, source: str | None) -> str:
    fields = {"title": f"{re.sub(r'[^A-Za-z0-9 ,.-]', '', title)}, from autoencoder-zoo"}
    if source and "/" in source:
        repo, _, revision = source.removeprefix("hf://").partition("@")
        page = f"{repo}/tree/{revision}" if revision else repo
        fields["url"] = f"https://huggingface.co/{page}"
    fields["note"] = f"sha256 of the weights: {info.sha256}"
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    text = f"## How to cite\n\n```bibtex\n@misc{{autoencoder_zoo_model,\n{lines}\n}}\n```"
    methods = papers_of(info)
    return f"{text}\n\nThe method is from {'; '.join(methods)}." if methods else text


def _escaped(text: object) -> str:
    """Untrusted text, escaped so that no Markdown, HTML, link or control character takes effect."""
    plain = printable(str(text)).replace("\n", " ")
    if re.fullmatch(r"[\w ,.;=/+±()'-]*", plain) and "www." not in plain:
        return plain
    return re.sub(r"([^\w\s])", r"\\\1", plain, flags=re.ASCII)
