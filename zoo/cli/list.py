"""`zoo list`"""

from __future__ import annotations

import click

from zoo.cli.output import as_json, print_json, print_table, say


@click.command("list")
@click.argument("pattern", default="*")
@click.option("--families", "what", flag_value="families", help="Families that can be built.")
@click.option("--recipes", "what", flag_value="recipes", help="Recipes that can be trained.")
@as_json
def list_(pattern: str, what: str | None, json_: bool) -> None:
    """List the published models, or those that match PATTERN (such as 'vae-*')."""
    if what == "families":
        _families(pattern, json_)
    elif what == "recipes":
        _recipes(pattern, json_)
    else:
        _models(pattern, json_)


def _models(pattern: str, json_: bool) -> None:
    from zoo import published
    from zoo.text import size

    lines = [published.line(name) for name in published.list_models(pattern)]
    if json_:
        print_json(
            [
                {
                    "name": line.name,
                    "family": line.family,
                    "bytes": line.bytes,
                    "licence": line.licence,
                    "weights_sha256": line.weights_sha256,
                    "hub": line.hub,
                }
                for line in lines
            ]
        )
    elif lines:
        rows = [(line.name, line.family, size(line.bytes), line.licence) for line in lines]
        print_table(("model", "family", "size", "licence"), rows)
    else:
        say(f"No published model matches {pattern!r}.")


def _families(pattern: str, json_: bool) -> None:
    from zoo import families

    names = families.list_families(pattern)
    about = {
        name: families.BUILT_IN[name].summary if name in families.BUILT_IN else "from a plugin"
        for name in names
    }
    if json_:
        print_json([{"name": name, "summary": about[name]} for name in names])
    elif names:
        print_table(("family", "what it is"), list(about.items()))
    else:
        say(f"No family matches {pattern!r}.")


def _recipes(pattern: str, json_: bool) -> None:
    import fnmatch

    from zoo import published

    names = fnmatch.filter(published.list_recipes(), pattern)
    if json_:
        print_json(names)
    else:
        say("\n".join(names) or f"No recipe matches {pattern!r}.")
