"""Publishing a trained run under its name: `python -m zoo.release RUN`, for the maintainers of a registry.

It measures the test set, once; draws; writes `registry/<name>/` and its line in
`registry/index.toml`. It refuses to change the weights of a name that is already there. A run of a
recipe that an installed package brings goes into that package's registry.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import re
import sys
import tomllib
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from zoo.api import load
from zoo.cards.card import render_card
from zoo.cards.record import record_of, record_text
from zoo.data import AnyExamples
from zoo.data.factors import factors_known
from zoo.errors import InputError, IntegrityError, RecipeError, ZooError
from zoo.evaluation.evaluate import evaluate_model, protocols_of
from zoo.evaluation.examples import examples_for
from zoo.evaluation.figures import draw_all
from zoo.evaluation.remeasure import reconstructions_again
from zoo.folder import layout, store
from zoo.folder.config import read_info
from zoo.hub.find import EVERYTHING, find
from zoo.io.digests import Digest
from zoo.io.files import open_regular, read_regular, write_atomically
from zoo.models import Autoencoder, VariationalAutoencoder
from zoo.registry import index, published, sources
from zoo.runtime.devices import find_device
from zoo.specs.ground import ground_of
from zoo.specs.metrics import SUBSET, Metrics
from zoo.specs.protocols import Protocol
from zoo.specs.record import Ending, SeedRuns
from zoo.training.folder import MODEL
from zoo.training.recipe import Recipe, load_recipe

NLL_SAMPLES = 1000
MOST_BYTES = 10_000_000
"""Of a file that --seeds reads."""
LICENSE = "apache-2.0"
"""Of the models that ship with the zoo."""


def release(
    run: Path,
    beside: dict[str, Path],
    license: str | None = None,
    device: str = "cpu",
    nll_examples: int | None = None,
) -> Path:
    """Puts a finished run into the registry.

    Args:
        run: a run's folder, trained by a published recipe without overrides to its end.
        beside: folders of runs to measure for comparison, by what the card calls them.
        license: of the weights, as the Hub calls it; None is the one of the registry's package.
        device: where it is measured.
        nll_examples: take the bound on the first so many test images; None is all.

    Returns:
        The model's folder.

    Raises:
        RecipeError: for a run that is interrupted, changed, or of no published recipe.
        InputError: where the name is taken by other weights.
    """
    model = load(run / MODEL, device=find_device(device))
    recipe = _finished_recipe(model)
    assert recipe.name is not None
    registry = published.registry_with(recipe.name)
    assert registry is not None
    assert model.info is not None
    assert model.info.metrics is not None
    taken = index.read_index(registry).get(recipe.name)
    if taken and taken.weights_sha256 != model.info.sha256:
        raise InputError(
            f"{recipe.name} is released with other weights, which never change. Give these a new "
            f"tag: a recipe called {recipe.name}.2."
        )
    license = license or _license_of(registry)
    images = examples_for(model, recipe.data.dataset, "test")
    known = factors_known(recipe.data.dataset, "test")
    factors = known if math.prod(model.latent_shape) > 1 else None  # a single latent has no score
    own, how = recipe.data.protocol, {"factors": factors, "nll_examples": nll_examples}
    measured = _measure(model, images, own, **how)
    subset = []
    if len(images) > SUBSET:
        subset = _measure(model, images, own, limit=SUBSET)
    others = {}
    for what, other in beside.items():
        compared = load(other / MODEL, device=model.device)
        others[what] = evaluate_model(
            compared, images, protocol=own, nll_samples=_samples(compared), **how
        )
    training = model.info.metrics.training.model_dump()
    target = registry.models / recipe.name
    info = store.save_folder(
        model,
        target,
        recipe=recipe.to_toml(),
        metrics=record_of(measured, subset=subset, baselines=others, training=training),
        figures=draw_all(model, images.first(256)),
        license=license,
        card=render_card,
    )
    fields = {
        "family": info.family,
        "license": license,
        "bytes": (target / layout.WEIGHTS).stat().st_size,
        "parameters": info.parameters,
        index.HASHES: _hashes(target),
    }
    _write_index(registry, recipe.name, fields)
    render_cards(registry)  # the card says how to load it once its name is in the index
    return target


def note_hub_repo(name: str, pinned: str) -> None:
    """Notes in the index which Hub repo has a published model.

    Args:
        name: of the model.
        pinned: `org/repo@commit`, which must hold the very files of the index line; its card is its own.

    Raises:
        IntegrityError: if it holds other bytes.
        InputError: for a repo that is not pinned to a commit.
    """
    if not sources.COMMIT.fullmatch(pinned.rpartition("@")[2]):
        raise InputError(f"{pinned!r} is not pinned: give org/repo@ and 40 hex digits.")
    found = find(f"hf://{pinned}", EVERYTHING)
    line = published.line(name)
    store.load_source(sources.Source(found.folder, name, line, found.hub))
    for file, sha256 in line.sha256.items():
        if file != layout.CARD and not Digest("sha256", sha256).is_of(found.folder / file):
            raise IntegrityError(f"{file} of {pinned} is not what the index says of {name}.")
    _write_index(line.registry, name, {"hub": pinned})


def note_seeds(name: str, file: Path) -> None:
    """Notes in a published model's metrics.json how far its recipe's numbers spread over seeds.

    Args:
        name: of the model.
        file: what `zoo bench NAME --seeds N --nll-samples 1000 --json FILE` wrote.

    Raises:
        InputError: for a file of something else, or of other images than the published numbers.
        RecipeError: where another recipe was run.
    """
    line = published.line(name)
    found = [one for one in _seed_runs(file) if one.recipe == name]
    if not found:
        raise InputError(
            f"{str(file)!r} has no seeds of {name}: zoo bench {name} --seeds 5 --json."
        )
    info = read_info(line.folder, name, line)
    if info.recipe is None or info.metrics is None:
        raise InputError(f"{name} has no recipe or no numbers for seeds to stand beside.")
    if not Recipe.parse(tomllib.loads(info.recipe)).matches(found[0].recipe_toml):
        raise RecipeError(f"{str(file)!r} is of another recipe than the one that made {name}.")
    for one in found[0].seeds:
        here = ground_of(one, "reconstruction")
        if all(ground_of(own, "reconstruction") != here for own in info.metrics.measured):
            raise InputError(
                f"{str(file)!r} has {one.n_examples:,} images of {one.dataset}, {one.protocol}: no "
                f"published number of {name} was measured on these."
            )
    record = info.metrics.model_copy(update={"seeds": found[0].seeds})
    write_atomically(line.folder / layout.METRICS, record_text(record))
    render_cards(line.registry)


def note_reconstructions(name: str) -> list[str]:
    """Measures `mse`, `psnr` and `ssim` of a published model again, as they are defined now.

    Returns a line for each number that moved. Raises what `reconstructions_again` does.
    """
    line = published.line(name)
    record, moved = reconstructions_again(load(name))
    write_atomically(line.folder / layout.METRICS, record_text(record))
    render_cards(line.registry)
    return moved


def _seed_runs(file: Path) -> tuple[SeedRuns, ...]:
    data = read_regular(file, MOST_BYTES, InputError)
    try:
        return TypeAdapter(tuple[SeedRuns, ...]).validate_json(data)
    except ValidationError as wrong:
        raise InputError(
            f"{str(file)!r} is not what `zoo bench --seeds N --json` writes: {wrong.errors()[0]['msg']}."
        ) from None


def render_cards(registry: index.Registry) -> None:
    """Writes the card of every model of a registry again, and the hashes of all its files into the index.

    For after a change of what cards say, of metrics.json or of a figure. Raises IntegrityError for
    another config.json or other weights than the index has: those of a name never change.
    """
    for name, line in index.read_index(registry).items():
        if not line.folder.is_dir():
            continue  # on the Hub alone
        for file in (layout.CONFIG, layout.WEIGHTS):
            if not Digest("sha256", line.sha256[file]).is_of(line.folder / file):
                raise IntegrityError(
                    f"{file} of {name} is not what the index says, and the weights of a name never "
                    f"change. Give these a new tag: a recipe called {name}.2."
                )
        card = render_card(read_info(line.folder, name, line))
        write_atomically(line.folder / layout.CARD, card)
        _write_index(registry, name, {index.HASHES: _hashes(line.folder)})


def _hashes(folder: Path) -> dict[str, str]:
    """The sha256 of every file of a model's folder, by name."""
    hashes = {}
    for name in sorted(layout.files_of(folder)):
        with open_regular(folder / name) as file:
            hashes[name] = hashlib.file_digest(file, "sha256").hexdigest()  # pyright: ignore[reportArgumentType]  # it has readinto
    return hashes


def _finished_recipe(model: Autoencoder) -> Recipe:
    """The published recipe by which a model was trained to its end, unchanged."""
    info = model.info
    training = info.metrics.training if info and info.metrics else Ending()
    name = training.recipe
    if name is None or training.unchanged_recipe is None:
        raise RecipeError("Only a run of a published recipe without overrides is released.")
    if training.interrupted or training.epochs != training.max_epochs:
        raise RecipeError(f"{name} was not trained to the end of its recipe.")
    recipe = load_recipe(name)
    run = recipe.with_overrides(training.overrides)
    if info is None or info.recipe is None or not run.matches(info.recipe):
        raise RecipeError(f"The recipe {name} has changed since this run: train it again.")
    return recipe


def _samples(model: Autoencoder) -> int:
    return NLL_SAMPLES if isinstance(model, VariationalAutoencoder) else 0


def _measure(model: Autoencoder, images: AnyExamples, own: Protocol, **how: Any) -> list[Metrics]:
    """The recipe's own protocol, and for a Bernoulli model the tutorials' gray one beside it."""
    return [
        evaluate_model(model, images, protocol=protocol, nll_samples=_samples(model), **how)
        for protocol in protocols_of(model, own)
    ]


def _license_of(registry: index.Registry) -> str:
    """The license of a registry's package. Raises InputError where it names none."""
    if registry == index.own_registry():
        return LICENSE
    said = metadata(registry.distribution).json.get("license_expression", "")
    if not re.fullmatch(r"[A-Za-z0-9.-]+", str(said)):
        raise InputError(
            f"{registry.distribution} names no license for its models: give one, such as "
            "--license mit, or write `license = ...` into its pyproject.toml and install it again."
        )
    return str(said).lower()


def _write_index(registry: index.Registry, name: str, fields: dict[str, Any]) -> None:
    """Sets fields of a model's index line; the others stay."""
    import tomli_w

    path = registry.models / index.INDEX
    lines = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    lines[name] = lines.get(name, {}) | fields
    write_atomically(path, tomli_w.dumps(dict(sorted(lines.items()))))


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m zoo.release", description=__doc__)
    parser.add_argument("run", type=Path, nargs="?", help="the run's folder")
    parser.add_argument(
        "--cards",
        action="store_true",
        help="write every card and the hashes in the index again instead",
    )
    parser.add_argument(
        "--beside",
        action="append",
        default=[],
        metavar="WHAT=RUN",
        help="a run to measure for comparison, and what the card calls it",
    )
    parser.add_argument("--license", help="of the weights  [default: the package's]")
    parser.add_argument("--device", default="cpu", help="where it is measured  [default: cpu]")
    parser.add_argument(
        "--nll-examples",
        type=int,
        metavar="N",
        help="take the bound on the first N test images only  [default: all]",
    )
    parser.add_argument(
        "--seeds",
        metavar="NAME=FILE",
        help="note what `zoo bench NAME --seeds N --json FILE` wrote beside a model's numbers, instead",
    )
    parser.add_argument(
        "--hub",
        metavar="NAME=ORG/REPO@COMMIT",
        help="note which Hub repo has a published model, instead",
    )
    parser.add_argument(
        "--reconstructions",
        metavar="NAME",
        help="measure mse, psnr and ssim of a published model again, instead",
    )
    arguments = parser.parse_args()
    given = (arguments.run, arguments.hub, arguments.seeds, arguments.reconstructions)
    if sum(one is not None for one in given) + arguments.cards != 1:
        parser.error("give a run's folder, or --cards, --hub, --seeds or --reconstructions")
    try:
        if arguments.cards:
            render_cards(index.own_registry())
        elif arguments.hub:
            note_hub_repo(*arguments.hub.partition("=")[::2])
        elif arguments.reconstructions:
            print(*note_reconstructions(arguments.reconstructions), sep="\n")
        elif arguments.seeds:
            name, _, file = arguments.seeds.partition("=")
            note_seeds(name, Path(file))
        else:
            pairs = [text.rpartition("=")[::2] for text in arguments.beside]
            beside = {what: Path(run) for what, run in pairs}
            how = (arguments.license, arguments.device, arguments.nll_examples)
            target = release(arguments.run, beside, *how)
            print(f"{target}, and its line in {target.parent / index.INDEX}")
    except ZooError as failure:
        sys.exit(f"Error: {failure}")


if __name__ == "__main__":
    main()
