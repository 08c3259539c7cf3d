"""Where a model's family comes from: the package that its config.json names, and the one here."""

from __future__ import annotations

import contextlib
from importlib.metadata import PackageNotFoundError, version

from zoo.errors import PluginError, UnknownNameError, ZooError
from zoo.plugins.entry_points import canonical
from zoo.registry import families
from zoo.specs.info import Provider
from zoo.version import DISTRIBUTION, __version__


def no_family(
    family: str, there: Provider | None, what: str, unknown: UnknownNameError
) -> ZooError:
    """The error for a family that nothing installed here provides: who does, and no advice to install it."""
    if there is None:
        return UnknownNameError(
            f"This {what} was saved by a program that registered family {family!r} itself, "
            "and no package has it: run the code with @zoo.register first, or ask its author.",
            name=family,
            known=unknown.known,
        )
    name = there.distribution
    if canonical(name) == DISTRIBUTION:
        newer = _too_old(DISTRIBUTION, __version__, there)
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
            f"{says} a package called {name!r}. The zoo does not know that package: look at it "
            "before you install it."
        )
    return PluginError(
        f"{says} {name} {there.version}; {name} {here}, which is installed here, has no such "
        "family. See `zoo plugins`."
    )


def provenance(family: str, there: Provider | None) -> str:
    """Where a family comes from here, if its model was saved with another package; or nothing.

    Args:
        family: its name.
        there: what config.json says of it.
    """
    here = families.get(family).provider
    if here and there and canonical(here.distribution) == canonical(there.distribution):
        return _too_old(here.distribution, here.version, there)
    if here is None and there is None:
        return ""
    now = f"{here.distribution} {here.version}" if here else "this program"
    then = f"{there.distribution} {there.version}" if there else "the program that saved it"
    return f"It says that family {family!r} comes from {then}; here it comes from {now}."


def _too_old(name: str, here: str, there: Provider) -> str:
    """What to do if a newer version of the package here wrote the model, or nothing."""
    if canonical(name) != canonical(there.distribution) or there.version == here:
        return ""
    from packaging.version import InvalidVersion, Version

    with contextlib.suppress(InvalidVersion):
        if Version(there.version) > Version(here):
            return (
                f"It was written by {name} {there.version}; this is {here}, which may be too old "
                f"for it. pip install -U {name}"
            )
    return ""
