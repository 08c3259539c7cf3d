"""Where a model's family comes from: the package that its config.json names, and the one here."""

from __future__ import annotations

import re

from zoo.errors import PluginError, UnknownNameError, ZooError
from zoo.registry import families, plugins
from zoo.specs.info import Provider
from zoo.version import DISTRIBUTION, __version__

_DISTRIBUTION_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")  # PEP 508


def no_family(
    family: str, there: Provider | None, what: str, unknown: UnknownNameError
) -> ZooError:
    """The error for a family that nothing installed here provides: who does, and no advice to install it."""
    if there is None:
        return UnknownNameError(
            f"This {what} was saved by a program that registered family {family!r} itself, "
            "and no package has it: run the code with @zoo.register first, or ask its author."
        )
    if not _is_same(there.distribution, DISTRIBUTION) and is_package(there.distribution):
        if here := _version_here(there.distribution):
            return PluginError(
                f"This {what} says that family {family!r} comes from {there.distribution} "
                f"{there.version}; {there.distribution} {here}, which is installed here, has no "
                "such family. See `zoo plugins`."
            )
        return PluginError(
            f"This {what} says that family {family!r} comes from a package called "
            f"{there.distribution!r}. The zoo does not know that package: look at it before you "
            "install it."
        )
    newer = _too_old(Provider(distribution=DISTRIBUTION, version=__version__), there)
    return UnknownNameError(f"This model's family is not installed. {unknown} {newer}".strip())


def provenance(family: str, there: Provider | None) -> str:
    """Where a family comes from here, if its model was saved with another package; or nothing.

    Args:
        family: its name.
        there: what config.json says of it.
    """
    here = families.get(family).provider
    now = f"{here.distribution} {here.version}" if here else "this program"
    if there is None:
        saved = f"It was saved by a program that registered family {family!r} itself"
        return f"{saved}; here it comes from {now}." if here else ""
    if here is None or not _is_same(here.distribution, there.distribution):
        then = f"{there.distribution} {there.version}"
        then = then if is_package(there.distribution) else "a package with an invalid name"
        return f"It says that family {family!r} comes from {then}; here it comes from {now}."
    return _too_old(here, there)


def _too_old(here: Provider, there: Provider) -> str:
    """What to do if a newer version of the package wrote the model, or nothing."""
    name = here.distribution
    if not (_is_same(name, there.distribution) and _is_newer(there.version, here.version)):
        return ""
    return (
        f"It was written by {name} {there.version}; this is {here.version}, which may be too "
        f"old for it. pip install -U {name}"
    )


def is_package(name: str) -> bool:
    """Whether a distribution can have that name."""
    return _DISTRIBUTION_NAME.fullmatch(name) is not None


def _version_here(distribution: str) -> str | None:
    """The version of a distribution, if it is installed; it is not imported."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _is_same(one: str, other: str) -> bool:
    """Whether two names are of one distribution."""
    return plugins.canonical(one) == plugins.canonical(other)


def _is_newer(one: str, other: str) -> bool:
    """Whether a version comes after another; False if either is not a valid version."""
    if one == other:
        return False
    from packaging.version import InvalidVersion, Version

    try:
        return Version(one) > Version(other)
    except InvalidVersion:
        return False
