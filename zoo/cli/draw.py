"""`zoo draw`"""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli import complete
from zoo.cli.output import name_for, say


@click.command()
@click.argument("model", shell_complete=complete.models)
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="Folder.  [default: ./MODEL-figures]"
)
@click.option(
    "--dataset",
    help="Images, rows or series to draw.  [default: its recipe's]",
    shell_complete=complete.datasets,
)
@click.option(
    "--split",
    help="train, validation or test.  [default: test; all of others without parts]",
)
def draw(model: str, out: Path | None, dataset: str | None, split: str | None) -> None:
    """Draw what a MODEL does: reconstructions, samples and latent traversals, as PNG files.

    Rows are drawn as bars and series as lines. Without data only the samples are drawn. Other pictures of the same names are not replaced.
    """
    import zoo
    from zoo.api.models import recipe_of, trained_on
    from zoo.errors import DataError, InputError, OfflineError
    from zoo.evaluation.evaluate import check_shape
    from zoo.evaluation.examples import examples_for
    from zoo.evaluation.figures import draw_all, draw_without_examples
    from zoo.io.files import check_not_another, with_home, write_atomically

    loaded = zoo.load(model)
    folder = with_home(out or f"{name_for(model)}-figures")
    try:
        images = examples_for(loaded, dataset or trained_on(loaded)[0], split, recipe_of(loaded))
        check_shape(loaded, images)
        pictures = draw_all(loaded, images.first(256))
    except (OfflineError, DataError, InputError) as absent:
        pictures = draw_without_examples(loaded)
        if dataset or not pictures:
            raise
        say(f"Samples only, for the other pictures need {loaded.spec.domain.nouns}: {absent}")
    files = {folder / f"{name}.png": picture for name, picture in pictures.items()}
    for path, picture in files.items():
        check_not_another(path, picture)
    for path, picture in files.items():
        write_atomically(path, picture)
        say(f"{path}")
