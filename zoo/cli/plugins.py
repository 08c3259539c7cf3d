"""`zoo plugins`"""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli import complete
from zoo.cli.output import as_json, print_checks, print_json, print_table, say


@click.group("plugins", invoke_without_command=True, subcommand_metavar="[COMMAND] [ARGS]...")
@as_json
@click.pass_context
def plugins(context: click.Context, json_: bool) -> None:
    """Families, likelihoods, datasets and models that installed packages provide.

    Without a COMMAND: lists what is installed, and whether it can be imported.

    \b
    Your own architecture in ten minutes:
      zoo plugins new acme-thing       a small, complete package to begin from
      pip install -e ./acme-thing
      zoo train thing-digits-8         its recipe
      zoo plugins check thing          does it do what the zoo relies on?

    \b
    Then write your own into acme_thing/model.py. All that the zoo reads of a package is its
    entry points; two lines of pyproject.toml:
      [project.entry-points."autoencoder_zoo.families"]
      thing = "acme_thing:Thing"       a subclass of zoo.Autoencoder with its Spec
    Likelihoods (autoencoder_zoo.likelihoods) are subclasses of zoo.Likelihood; datasets (autoencoder_zoo.datasets) are functions from a split to uint8 images; registries
    (autoencoder_zoo.registries) are folders with an index, models and recipes.
    """
    if context.invoked_subcommand is None:
        _list(json_)


@plugins.command()
@click.argument(
    "names", nargs=-1, required=True, metavar="FAMILY...", shell_complete=complete.families
)
@as_json
def check(names: tuple[str, ...], json_: bool) -> None:
    """Check that a FAMILY does what the zoo relies on: `zoo.testing.check_family`.

    Builds, saves, trains, compiles and exports models of it; a minute or less for small ones.
    """
    from zoo.evaluation.report import Report
    from zoo.registry import families
    from zoo.testing import checks_of

    for name in names:
        families.expanded(name)  # misspelled names before any work
    reports = []
    for name in names:
        checks = []
        for found in checks_of(name):
            checks.append(found)
            if not json_:
                print_checks([found])
        reports.append(Report(name, tuple(checks)))
        if not json_:
            say(f"{name}: {reports[-1].summary}")
    if json_:
        print_json([report.as_json("family") for report in reports])
    failed = [report.origin for report in reports if not report.passed]
    if failed:
        raise click.ClickException(f"{', '.join(failed)}: some checks failed; see above.")


@plugins.command()
@click.argument("name")
@click.option("--to", type=click.Path(path_type=Path), help="The new folder.  [default: ./NAME]")
@click.option("--variational", is_flag=True, help="Begin with a VAE, not a plain autoencoder.")
def new(name: str, to: Path | None, variational: bool) -> None:
    """Write a small, complete package NAME, such as acme-thing, with a family of its own."""
    from zoo.io.files import with_home
    from zoo.testing.new import family_for, write_package

    target = with_home(to or Path(name))
    for path in write_package(name, target, variational):
        say(f"{path}")
    family = family_for(name)
    folder = target if target.is_absolute() else f"./{target}"
    say(f"\nNext:\n  pip install -e {folder}\n  zoo plugins check {family}")
    say(f"  zoo train {family}-digits-8\nThen write your own into model.py.")


def _list(json_: bool) -> None:
    from zoo.cli.probe import try_plugins
    from zoo.plugins.entry_points import misspelled_groups

    rows = [
        {
            "kind": one.plugin.kind,
            "name": one.plugin.name,
            "package": one.plugin.distribution,
            "version": one.plugin.version,
            "state": one.state,
            "problem": one.problem,
            "note": one.note,
        }
        for one in try_plugins()
    ]
    if json_:
        print_json(rows)
        return
    for misspelled in misspelled_groups():
        say(misspelled)
    if not rows:
        say("No installed package provides anything. `zoo plugins new acme-thing` begins one.")
        return
    columns = ("kind", "name", "package", "version", "state", "note")
    print_table(columns, [[row[column] for column in columns] for row in rows])
    for problem in dict.fromkeys(row["problem"] for row in rows if row["problem"]):
        say(problem)
