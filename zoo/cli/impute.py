"""`zoo impute`"""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli import complete
from zoo.cli.output import device_option, npy_bytes, say
from zoo.cli.pictures import (
    Job,
    check_targets,
    numbered,
    overwrite_option,
    seed_option,
    steps_option,
)
from zoo.specs.restoration import DRAWS


@click.command()
@click.argument("model", shell_complete=complete.models)
@click.argument("table", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="The file to write: .csv of a table, .npy of an array.",
)
@click.option(
    "--draws", type=click.IntRange(1), default=DRAWS, show_default=True, help="Tables to draw."
)
@steps_option
@seed_option
@overwrite_option
@device_option
def impute(
    model: str,
    table: Path,
    out: Path,
    draws: int,
    steps: int,
    seed: int,
    overwrite: bool,
    device: str,
) -> None:
    """Draw the missing values of a TABLE by a variational MODEL, several times: OUT.1.csv, OUT.2.csv, ...

    TABLE is a .csv or .parquet file for a detector of a table (`zoo detect fit`), or a .npy of rows, NaN
    where a value is missing. Analyze each of the tables and pool the results.
    """
    import zoo.api.restoration
    from zoo.io.files import write_atomically
    from zoo.restoration.tables import as_csv, read_cells, read_rows

    if not table.exists():
        raise click.UsageError(f"{str(table)!r} does not exist.")
    columns = zoo.api.restoration.table_of(model)
    wanted = ".npy" if columns is None else ".csv"
    if out.suffix.lower() != wanted:
        raise click.UsageError(f"-o {str(out)!r} does not end in {wanted}.")
    targets = [numbered(out, n, draws) for n in range(draws)]
    check_targets([Job(table, out)], targets, overwrite)
    rows = table if columns is not None else read_rows(table)
    found = zoo.api.restoration.impute(
        model, rows, draws=draws, steps=steps, seed=seed, device=device
    )
    if columns is None:
        contents = [npy_bytes(one) for one in found]
    else:
        cells = read_cells(table)
        contents = [as_csv(columns, cells, one) for one in found]
    for path, content in zip(targets, contents, strict=True):
        write_atomically(path, content)
    say(
        f"{targets[0]}"
        + (f" to {targets[-1].name}" if draws > 1 else "")
        + f": {len(found[0]):,} rows"
    )
