"""Where a model's family comes from: the package named in its config.json, and the installed one."""

from __future__ import annotations

import contextlib
from importlib.metadata import PackageNotFoundError, version

from zoo.errors import PluginError, UnknownNameError, ZooError
from zoo.plugins.entry_points import canonical
from zoo.registry import families
from zoo.specs.info import Provider
from zoo.version import DISTRIBUTION, __version__


def unknown_family(
    family: str, saved: Provider | None, what: str, unknown: UnknownNameError
) -> ZooError:
    """The error for a family that nothing installed provides: names its provider, never advises to install it."""
    if saved is None:
        return UnknownNameError(
            f"This {what} was saved by a program that registered family {family!r} itself, "
            "and no package provides it: run the code with @zoo.register first, or ask its author.",
            name=family,
            known=unknown.known,
        )
    name = saved.distribution
    if canonical(name) == DISTRIBUTION:
        newer = _too_old(DISTRIBUTION, __version__, saved)
        return UnknownNameError(
            f"This model's family is not installed. {unknown} {newer}".strip(),
            name=family,
            known=unknown.known,
        )
    says = f"This {what} says that family {family!r} comes from"
    try:
        here = version(name)
    except PackageNotFoundError:
        return PluginError(
            f"{says} the package {name!r}, which is not installed. The zoo does not know it: "
            "review it before you install it."
        )
    return PluginError(
        f"{says} {name} {saved.version}; the installed {name} {here} has no such family. "
        "See `zoo plugins`."
    )


def provenance(family: str, saved: Provider | None) -> str:
    """Where a family now comes from, if its model was saved with another package or version; else "".

    Args:
        family: its name.
        saved: its provider in config.json.
    """
    here = families.get(family).provider
    if here and saved and canonical(here.distribution) == canonical(saved.distribution):
        return _too_old(here.distribution, here.version, saved)
    if here is None and saved is None:
        return ""
    now = f"{here.distribution} {here.version}" if here else "this program"
    then = f"{saved.distribution} {saved.version}" if saved else "the program that saved it"
    return (
        f"Its config.json says that family {family!r} comes from {then}; here it comes from {now}."
    )


def _too_old(name: str, here: str, saved: Provider) -> str:
    """What to do if a newer version of the installed package saved the model, else ""."""
    if canonical(name) != canonical(saved.distribution) or saved.version == here:
        return ""
    from packaging.version import InvalidVersion, Version

    with contextlib.suppress(InvalidVersion):
        if Version(saved.version) > Version(here):
            return (
                f"It was written by {name} {saved.version}; the installed {here} may be too old "
                f"for it. pip install -U {name}"
            )
    return ""
