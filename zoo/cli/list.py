"""`zoo list`"""

from __future__ import annotations

import re

import click

from zoo.cli.output import as_json, print_json, print_table, say


@click.command("list")
@click.argument("pattern", default="*")
@click.option("--families", "what", flag_value="families", help="Families that can be built.")
@click.option("--recipes", "what", flag_value="recipes", help="Recipes that can be trained.")
@as_json
def list_(pattern: str, what: str | None, json_: bool) -> None:
    """List the published models, or those that match PATTERN: 'vae-*', or mnist anywhere in a name."""
    if not re.search(r"[*?\[]", pattern):
        pattern = f"*{pattern}*"
    if what == "families":
        _families(pattern, json_)
    elif what == "recipes":
        _recipes(pattern, json_)
    else:
        _models(pattern, json_)


def _models(pattern: str, json_: bool) -> None:
    from zoo.io.text import printable, size
    from zoo.registry import index, published

    found = index.survey()
    for problem in found.problems.values():
        click.echo(printable(problem), err=True)
    rows = [
        {
            "name": line.name,
            "family": line.family,
            "bytes": line.bytes,
            "license": line.license,
            "weights_sha256": line.weights_sha256,
            "hub": line.hub,
            "package": line.registry.owner,
        }
        for line in published.lines(found, pattern)
    ]
    if json_:
        print_json(rows)
    elif rows:
        table = [
            (r["name"], r["family"], size(r["bytes"]), r["license"], r["package"]) for r in rows
        ]
        columns = ("model", "family", "size", "license", "package")
        packaged = any(row["package"] != index.own_registry().owner for row in rows)
        shown = len(columns) - (not packaged)
        print_table(columns[:shown], [row[:shown] for row in table])
    else:
        say(f"No published model matches {pattern!r}.")


def _families(pattern: str, json_: bool) -> None:
    from zoo.plugins import entry_points as plugins
    from zoo.registry import families

    owners: dict[str, list[str]] = {}
    for plugin in plugins.installed("family"):
        if not plugin.problem:
            owners.setdefault(plugin.name, []).append(plugin.owner)
    about = {
        name: f"from {' and '.join(owners[name])}" if name in owners else families.summary(name)
        for name in families.list_families(pattern)
    }
    if json_:
        print_json([{"name": name, "summary": summary} for name, summary in about.items()])
    elif about:
        print_table(("family", "what it is"), list(about.items()))
    else:
        say(f"No family matches {pattern!r}.")


def _recipes(pattern: str, json_: bool) -> None:
    from zoo.registry import published

    names = published.list_recipes(pattern)
    if json_:
        print_json(names)
    else:
        say("\n".join(names) or f"No recipe matches {pattern!r}.")
