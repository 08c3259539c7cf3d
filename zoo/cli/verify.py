"""`zoo verify`"""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli import complete
from zoo.cli.output import as_json, device_option, print_checks, print_json, say


@click.command()
@click.argument(
    "models", nargs=-1, required=True, metavar="MODEL...", shell_complete=complete.models
)
@click.option(
    "--full", is_flag=True, help="Measure all examples again, not only a stored subset of 500."
)
@click.option(
    "--dataset",
    help="Where the data of its numbers are.  [default: where its recipe says]",
    shell_complete=complete.datasets,
)
@click.option(
    "--model",
    "of",
    help="Which model a page is of.  [default: the one it names]",
    shell_complete=complete.models,
)
@device_option
@as_json
def verify(
    models: tuple[str, ...],
    full: bool,
    dataset: str | None,
    of: str | None,
    device: str,
    json_: bool,
) -> None:
    """Check that models are what they say: hashes, a strict load, their numbers measured again.

    Of the folder of a page, its networks are held against the weights, and its script against the zoo's.
    """
    import zoo
    from zoo.evaluation.report import Check, Report
    from zoo.page.read import is_page
    from zoo.page.verify import verify_page

    reports = []
    for model in models:
        try:
            page = Path(model)
            report = (
                verify_page(page, zoo.load(of) if of else None)
                if is_page(page)
                else zoo.verify(model, full=full, dataset=dataset, device=device)
            )
        except zoo.ZooError as wrong:
            if len(models) == 1:
                raise
            # the others are still checked
            report = Report(model, (Check("found", "failed", str(wrong)),))
        reports.append(report)
        if not json_:
            word = {"failed": "FAILED", "not measured": "NOT MEASURED"}.get(report.result, "passed")
            say(f"{model}: {word} ({report.summary})")
            print_checks(report.checks)
    if json_:
        pairs = zip(models, reports, strict=True)
        print_json([{**report.as_json("model"), "model": model} for model, report in pairs])
    if not all(report.passed for report in reports):
        raise SystemExit(1)
