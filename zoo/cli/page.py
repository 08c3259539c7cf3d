"""`zoo page`"""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli import complete
from zoo.cli.output import name_for, say


@click.command()
@click.argument("model", shell_complete=complete.models)
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="Folder.  [default: ./MODEL-page]"
)
@click.option("--open", "open_", is_flag=True, help="Serve it on this machine, and open it.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="For --open.  [default: any free one]"
)
@click.option(
    "--dataset",
    help="Images on its map.  [default: its recipe's]",
    shell_complete=complete.datasets,
)
@click.option(
    "--split",
    help="train, validation or test.  [default: test; all of other images without parts]",
)
@click.option(
    "--umap", is_flag=True, help="Lay the map out by UMAP: pip install 'autoencoder-zoo[page]'."
)
def page(
    model: str,
    out: Path | None,
    open_: bool,
    port: int,
    dataset: str | None,
    split: str | None,
    umap: bool,
) -> None:
    """Write a page that runs a MODEL in the browser: sliders, a map of codes, your own images.
    (Models of rows and series have no page: `zoo draw` draws what they do.)

    The folder needs no server and asks none for anything: open its index.html from the disk, or
    put it on any web server. It needs pip install 'autoencoder-zoo[export]'.
    """
    import zoo
    from zoo.api.models import recipe_of, trained_on
    from zoo.errors import DataError, InputError, OfflineError
    from zoo.evaluation.evaluate import check_shape
    from zoo.evaluation.examples import examples_for
    from zoo.page.contents import check_is_of_images
    from zoo.page.serve import show
    from zoo.page.write import write_page

    loaded = zoo.load(model)
    check_is_of_images(loaded)
    try:
        named = dataset or trained_on(loaded)[0]
        images = examples_for(loaded, named, split, recipe_of(loaded))
        check_shape(loaded, images)
        say(f"Its map shows {images.split} images of {named}: whoever gets the page gets them.")
    except (OfflineError, DataError, InputError) as absent:
        if dataset:
            raise
        say(f"The page has no map of codes: {absent}")
        images = None
    written = write_page(
        loaded,
        images,
        images.split if images else "",
        out or Path(f"{name_for(model)}-page"),
        umap,
    )
    say(f"{written}")
    if open_:
        show(written.parent, port, say)
