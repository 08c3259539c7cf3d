"""What installed packages bring to the zoo: families, datasets, published models.

What there is comes from package metadata, three groups of entry points; a package is imported when
what it brings is used, and not before. No failure of a package's reaches beyond what it brings.

    [project.entry-points."autoencoder_zoo.families"]
    vq = "acme_vq:VQVAE"                # a subclass of zoo.Autoencoder with its Spec
    [project.entry-points."autoencoder_zoo.datasets"]
    rings = "acme_vq.rings:rings"       # split -> uint8 images (N, C, H, W) or (N, H, W)
    [project.entry-points."autoencoder_zoo.registries"]
    acme = "acme_vq.registry"           # a folder of the package: index.toml, models, recipes/
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import re
import sys
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, distributions
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TextIO

from zoo.errors import PluginError, ZooError

Kind = Literal["family", "dataset", "registry"]

GROUPS: dict[Kind, str] = {
    "family": "autoencoder_zoo.families",
    "dataset": "autoencoder_zoo.datasets",
    "registry": "autoencoder_zoo.registries",
}
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
"""Names of families, datasets and registries: lower-case words joined by '-'."""

_TARGET = re.compile(r"[A-Za-z_]\w*(\.\w+)*(:\w+(\.\w+)*)?")
MOST_SAID = 10_000
"""Warnings, log records and prints that a package may issue while it is imported."""
REPLAYED = 10
"""How many of them are passed on."""


@dataclass(frozen=True)
class Plugin:
    """One entry point: what a package says that it brings."""

    kind: Kind
    name: str
    target: str
    """`module:name`, or for a registry the folder as a dotted path."""
    distribution: str
    version: str
    problem: str = ""
    """Why it cannot be used, where its metadata alone show it."""

    @property
    def owner(self) -> str:
        """The package and its version: `acme-vq 0.3`."""
        return f"{self.distribution} {self.version}"

    def __str__(self) -> str:
        return f"Plugin {self.name!r} of {self.owner}"

    @property
    def module(self) -> str:
        """The module that it is imported from."""
        return self.target.partition(":")[0]

    def load(self) -> Any:
        """The object that it names, its package imported. Raises PluginError for any failure."""
        if self.problem:
            raise PluginError(f"{self} cannot be used: {self.problem}.")
        try:
            with _overheard():
                return EntryPoint(self.name, self.target, GROUPS[self.kind]).load()
        except KeyboardInterrupt:
            raise
        except BaseException as failure:  # sys.exit too: a package takes nobody with it
            others = {"family": "families", "dataset": "datasets", "registry": "registries"}
            raise PluginError(
                f"{self} failed to load: {cause(failure)}. Other {others[self.kind]} are unaffected."
            ) from failure

    def folder(self) -> Path:
        """The folder that a registry names, its package not imported.

        Raises PluginError where it is not there.
        """
        if self.problem:
            raise PluginError(f"{self} cannot be used: {self.problem}.")
        top, *rest = self.module.split(".")
        try:
            found = importlib.util.find_spec(top)
        except (ImportError, ValueError, AttributeError):  # what an unloaded parent may raise
            found = None
        for place in (found.submodule_search_locations or ()) if found else ():
            folder = Path(place, *rest)
            if folder.is_dir():
                return folder
        raise PluginError(f"{self} cannot be used: its package has no folder {self.module!r}.")


def installed(kind: Kind) -> list[Plugin]:
    """Every plugin of a kind, by name and package. Imports none."""
    found: dict[tuple[str, str, str], Plugin] = {}
    seen = set()
    for distribution in distributions():
        text = _entry_points_text(distribution)
        if GROUPS[kind] not in text:
            continue
        name, version = _name_and_version(distribution)
        if canonical(name) in seen:  # shadowed by one that stands earlier on the path
            continue
        seen.add(canonical(name))
        for plugin in _read(kind, text, name, version):
            found[plugin.name, plugin.owner, plugin.target] = plugin
    return [found[key] for key in sorted(found)]


def canonical(distribution: str) -> str:
    """A distribution's name as package indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def named(kind: Kind, name: str) -> Plugin | None:
    """The one plugin of that name, or None. Raises PluginError if several packages claim it."""
    claims = [plugin for plugin in installed(kind) if plugin.name == name]
    if len(claims) > 1:
        raise PluginError(claimed_by(kind, name, [plugin.owner for plugin in claims]))
    return claims[0] if claims else None


def claimed_by(what: str, name: str, owners: Iterable[str]) -> str:
    """The sentence on a name that several packages claim."""
    different = sorted(set(owners))
    if len(different) == 1:
        return f"{what.capitalize()} {name!r} stands twice in the metadata of {different[0]}."
    return (
        f"{what.capitalize()} {name!r} is provided by {' and '.join(different)}. Uninstall "
        f"{'one' if len(different) == 2 else 'all but one'}."
    )


@contextlib.contextmanager
def blamed(who: str, doing: str) -> Iterator[None]:
    """Makes a PluginError of what a package's code raises, but for the zoo's own errors."""
    try:
        yield
    except ZooError:
        raise
    except Exception as failure:
        raise PluginError(f"{who} {doing}: {cause(failure)}.") from failure


def cause(failure: BaseException) -> str:
    """An exception in words: its type, and the first line of what it says."""
    lines = str(failure).strip().splitlines()
    said = lines[0][:300].rstrip(".") if lines else ""
    return f"{type(failure).__name__}: {said}" if said else type(failure).__name__


def at_fault(traceback: TracebackType | None) -> str:
    """Which installed plugin's code raised an exception: `acme-vq 0.3`, or nothing."""
    modules = []
    while traceback is not None:
        modules.append(str(traceback.tb_frame.f_globals.get("__name__", "")))
        traceback = traceback.tb_next
    tops = {
        plugin.module.partition(".")[0]: plugin
        for plugin in (*installed("family"), *installed("dataset"))
    }
    owners = [tops[top].owner for name in modules if (top := name.partition(".")[0]) in tops]
    return owners[-1] if owners else ""


def _entry_points_text(distribution: Distribution) -> str:
    try:
        return distribution.read_text("entry_points.txt") or ""
    except (OSError, ValueError):  # damaged metadata of whatever package
        return ""


def _name_and_version(distribution: Distribution) -> tuple[str, str]:
    """As its metadata say, or as the folder of its metadata is called."""
    stem = Path(str(getattr(distribution, "_path", "unknown"))).stem
    name, _, version = stem.partition("-")
    try:
        said = distribution.metadata
        name, version = said["Name"] or name, said["Version"] or version
    except Exception:  # however damaged, its name is known well enough
        pass
    return name, version or "unknown"


def _read(kind: Kind, text: str, distribution: str, version: str) -> Iterator[Plugin]:
    """The entry points of one group, line by line: a damaged line is a problem of its own."""
    group = ""
    for line in (line.strip() for line in text.splitlines()):
        if line.startswith("["):
            group = line.strip("[] ")
        elif line and not line.startswith("#") and group == GROUPS[kind]:
            name, _, target = (part.strip() for part in line.partition("="))
            yield Plugin(kind, name, target, distribution, version, _problem(kind, name, target))


def _problem(kind: Kind, name: str, target: str) -> str:
    if not NAME.fullmatch(name) or len(name) > 100:
        return f"a {kind} is named in lower-case words joined by '-', not {name[:100]!r}"
    if not _TARGET.fullmatch(target):
        return f"its entry point is {target[:100]!r}, not module:name"
    return ""


class _TooMuchError(BaseException):
    """A package that never stops talking; no Exception, which it might catch."""


@contextlib.contextmanager
def _overheard() -> Iterator[None]:
    """Counts what is printed, warned and logged, and ends what goes on for ever.

    A little of it is passed on afterwards, to standard error, if nothing failed.
    """
    said: list[warnings.WarningMessage] = []
    output = _Output()
    factory = logging.getLogRecordFactory()

    def heed(*details: Any) -> None:
        output.count()
        if len(said) < REPLAYED:
            said.append(warnings.WarningMessage(*details))

    def record(*arguments: Any, **keywords: Any) -> logging.LogRecord:
        output.count()
        return factory(*arguments, **keywords)

    logging.setLogRecordFactory(record)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(output),
        ):
            warnings.simplefilter("always")  # or a warning that repeats is not even seen
            warnings.showwarning = heed
            yield
    finally:
        logging.setLogRecordFactory(factory)
    output.replay(sys.stderr)
    for one in said:
        warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)


class _Output(io.TextIOBase):
    """Takes what is printed, and counts everything that is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.times = 0

    def count(self) -> None:
        self.times += 1
        if self.times > MOST_SAID:
            raise _TooMuchError(
                f"more than {MOST_SAID:,} warnings and prints while it was imported"
            )

    def write(self, text: str, /) -> int:
        self.count()
        if len(self.lines) < REPLAYED:
            self.lines.append(text[:1_000])
        return len(text)

    def writable(self) -> bool:
        return True

    def replay(self, stream: TextIO) -> None:
        """Passes on the first that was printed."""
        stream.write("".join(self.lines))
