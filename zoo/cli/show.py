"""`zoo show`"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from zoo.cli import complete
from zoo.cli.output import as_json, print_json, print_table, say

if TYPE_CHECKING:
    from zoo.specs.base import Spec


@click.command()
@click.argument("name", shell_complete=complete.shown)
@as_json
def show(name: str, json_: bool) -> None:
    """Show a MODEL, a FAMILY's Spec, every setting of a recipe (`zoo show recipe`), or an .aez file."""
    from zoo.registry import families

    if name.endswith((".aez", ".aez.partial")):
        from zoo.cli.compress import show_file

        show_file(name, json_)
    elif name == "recipe":
        _recipe_reference(json_)
    elif name in families.list_families():
        family, preset = families.expanded(name)
        of = f", a preset of family {family.name}" if preset else ""
        _reference(f"{name}{of}: fields of its Spec", family.spec_class, json_, preset)
    else:
        _model(name, json_)


def _recipe_reference(json_: bool) -> None:
    from zoo.cli.fields import describe
    from zoo.specs.data import DataSettings
    from zoo.training.settings import TrainingSettings

    sections = {"data": DataSettings, "training": TrainingSettings}
    if json_:
        print_json({name: describe(cls) for name, cls in sections.items()})
        return
    say("[model]: family = a name from `zoo list --families`, and its fields: `zoo show FAMILY`.")
    for name, cls in sections.items():
        _reference(f"[{name}]", cls, json_)


def _reference(
    title: str, cls: Any, json_: bool, defaults: Mapping[str, Any] | None = None
) -> None:
    from zoo.cli.fields import describe

    fields = describe(cls, defaults or {})
    if json_:
        print_json(fields)
        return
    rows = [(f["name"], f["range"], f["default"], f["meaning"]) for f in fields]
    print_table(("field", "values", "default", "meaning"), rows, title=title)


def _model(name: str, json_: bool) -> None:
    from zoo.cards.record import summary
    from zoo.errors import UnknownNameError, did_you_mean
    from zoo.folder.config import read_info
    from zoo.hub.find import TO_KNOW, find
    from zoo.registry import families, published

    try:
        found = find(name, TO_KNOW)
    except UnknownNameError:
        known = [*published.list_models(), *families.list_families()]
        hint = published.what_it_is(name) or did_you_mean(name, known)
        raise UnknownNameError(
            f"No model or family named {name!r}.{hint} "
            f"`zoo list` shows all {len(published.list_models())} models, "
            "`zoo list --families` the families.",
            name=name,
            known=known,
        ) from None
    info = read_info(found.folder, found.origin, found.line, found.files)
    made_by = info.provider
    package = f"{made_by.distribution} {made_by.version}" if made_by else None
    if json_:
        print_json(
            {
                "name": info.origin,
                "family": info.family,
                "package": package,
                "parameters": info.parameters,
                "weights_sha256": info.sha256,
                "license": info.license,
                "dataset": info.data,
                "spec": info.spec.model_dump(mode="json"),
                "metrics": info.metrics.as_json() if info.metrics else None,
                "recipe": info.recipe,
            }
        )
        return
    domain = info.spec.domain
    for what, value in (
        ("model", info.origin),
        ("family", f"{info.family}, of {package or 'the program that saved it'}"),
        (domain.nouns, _inputs(info.spec)),
        ("codes", " x ".join(map(str, info.spec.latent_shape))),
        ("parameters", f"{info.parameters:,}"),
        ("trained on", info.data or "unknown"),
        ("license", info.license or "unknown"),
        ("sha256", info.sha256 or "not recorded: a folder of diffusers'"),
    ):
        say(f"{what:<10}  {value}")
    for field, value in info.spec.model_dump(mode="json").items():
        if field != "input_shape":
            say(f"  {field} = {_toml_value(value)}")
    for line in summary(info.metrics):
        say(line)


def _inputs(spec: Spec) -> str:
    """What a model takes: shape and range."""
    if spec.domain.kind == "vector":
        return f"{spec.domain.size} columns, float32 or float64, in the data's units"
    shape = " x ".join(map(str, spec.input_shape))
    if spec.domain.kind == "series":
        return f"{shape} (channels, steps), float32 or float64, in the data's units"
    if spec.stride:
        shape = f"{spec.input_shape[0]} x H x W, multiples of {spec.stride}"
    return f"{shape} (channels, height, width), float in [0, 1]"


def _toml_value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {_toml_value(v)}" for k, v in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)
