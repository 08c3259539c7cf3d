"""Notes beside a published model: its repo on the Hub, the spread over seeds, reconstructions measured again."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from zoo.api.models import load
from zoo.cards.record import record_text
from zoo.errors import InputError, IntegrityError, RecipeError
from zoo.evaluation.remeasure import reconstructions_again
from zoo.folder import layout, store
from zoo.folder.config import read_info
from zoo.hub.find import EVERYTHING, find
from zoo.io.digests import Digest
from zoo.io.files import read_regular, write_atomically
from zoo.registry import published, sources
from zoo.release.index_lines import render_cards, write_line
from zoo.specs.ground import ground_of
from zoo.specs.record import SeedRuns
from zoo.training.recipe import Recipe

MOST_BYTES = 10_000_000
"""Of a file that --seeds reads."""


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
    write_line(line.registry, name, {"hub": pinned})


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
