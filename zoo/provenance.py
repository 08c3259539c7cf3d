"""Where a model's family comes from: the package that its config.json names, and the one here."""

from __future__ import annotations

import re

from pydantic import Field

from zoo import families, plugins
from zoo.errors import PluginError, UnknownNameError, ZooError
from zoo.validation import Strict
from zoo.version import DISTRIBUTION

_DISTRIBUTION_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")  # PEP 508


class Provider(Strict):
    """The package that provides a family."""

    distribution: str = Field(max_length=100)
    version: str = Field(max_length=100, pattern=r"^[0-9A-Za-z.+!_-]+$")


def no_family(
    family: str, there: Provider | None, what: str, unknown: UnknownNameError
) -> ZooError:
    """The error for a family that nothing here provides: who does, and never more than that."""
    if there is None:
        return UnknownNameError(
            f"This {what} was saved by a program that registered family {family!r} itself, "
            "and no package has it: run the code with @zoo.register first, or ask its author."
        )
    known = plugins.canonical(there.distribution)
    stranger = known != plugins.canonical(DISTRIBUTION)
    if stranger and _DISTRIBUTION_NAME.fullmatch(there.distribution):
        return PluginError(
            f"This {what} says that family {family!r} comes from a package called "
            f"{there.distribution!r}. The zoo does not know that package: look at it before you "
            "install it."
        )
    newer = "" if stranger else provenance(family, there)
    return UnknownNameError(f"This model's family is not here. {unknown} {newer}".strip())


def provenance(family: str, there: Provider | None) -> str:
    """Where a family comes from here, if that is not where its model was saved; or nothing.

    Args:
        family: its name; it need not be here if it is the zoo's own.
        there: what config.json says of it.
    """
    ours = there is not None and there.distribution == DISTRIBUTION
    here = families.provider("ae" if ours else family)
    if there is None:
        if here is None:
            return ""
        return (
            f"It was saved by a program that registered family {family!r} itself; here it comes "
            f"from {here['distribution']} {here['version']}."
        )
    if here is None or plugins.canonical(here["distribution"]) != plugins.canonical(
        there.distribution
    ):
        origin = f"{here['distribution']} {here['version']}" if here else "this very program"
        return (
            f"It says that family {family!r} comes from {there.distribution} {there.version}; here "
            f"it comes from {origin}."
        )
    if not _is_newer(there.version, here["version"]):
        return ""
    name = here["distribution"]
    return (
        f"It was written by {name} {there.version}; this is {here['version']}, which may be too "
        f"old for it. pip install -U {name}"
    )


def _is_newer(one: str, other: str) -> bool:
    """Whether a version comes after another; False where one of them is none."""
    if one == other:
        return False
    from packaging.version import InvalidVersion, Version

    try:
        return Version(one) > Version(other)
    except InvalidVersion:
        return False
