"""`zoo draw`"""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli import complete
from zoo.cli.output import say


@click.command()
@click.argument("model", shell_complete=complete.models)
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="Folder.  [default: ./MODEL-figures]"
)
@click.option(
    "--dataset",
    help="Whose images to draw.  [default: its recipe's]",
    shell_complete=complete.datasets,
)
@click.option(
    "--split",
    help="train, validation or test.  [default: test; all of other images without parts]",
)
def draw(model: str, out: Path | None, dataset: str | None, split: str | None) -> None:
    """Draw what a MODEL does: reconstructions, samples and latent traversals, as PNG files."""
    import zoo
    from zoo.evaluation.evaluate import check_shape, images_for
    from zoo.evaluation.figures import draw_all
    from zoo.io.files import write_atomically
    from zoo.measuring import recipe_of, trained_on

    loaded = zoo.load(model)
    images = images_for(loaded, dataset or trained_on(loaded)[0], split, recipe_of(loaded))
    check_shape(loaded, images)
    folder = out or Path(f"{Path(model).name}-figures")
    for name, picture in draw_all(loaded, images.first(256)).items():
        path = folder / f"{name}.png"
        write_atomically(path, picture)
        say(f"{path}")
