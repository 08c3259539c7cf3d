"""The conformance kit: does a family do what everything else in the zoo relies on?

    import zoo.testing

    def test_my_family():
        zoo.testing.check_family("vq")

The same as `zoo plugins check vq`. The zoo's own families pass it too. A family that takes images,
rows and series is checked on each.

    random_specs.py   valid Specs, drawn
    subject.py        the family under test, its Specs, examples of their shapes
    construction.py   Spec -> model: JSON, sizes, tensors, names
    parts.py          what a family declares is what it implements, and each part works
    outputs.py        what the methods give: shapes, dtypes, ranges, determinism
    units.py          rows and series in the user's units, at both ends
    losses.py         losses and gradients
    bounds.py         the ELBO, the importance-weighted bound, the prior's codes
    persistence.py    saved, loaded, trained, measured, drawn
    portability.py    copied, compiled, exported, in whole numbers, on other devices
    new.py            writes the template of a new package
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from zoo.errors import NotInstalledError, PluginError, UnknownNameError, ZooError
from zoo.evaluation.report import Check, Report
from zoo.plugins.guards import cause
from zoo.registry import families
from zoo.testing import (
    bounds,
    construction,
    losses,
    outputs,
    parts,
    persistence,
    portability,
    units,
)
from zoo.testing.subject import FailedError, NotMeasuredError, Subject

__all__ = ["CHECKS", "Subject", "answer", "check_family", "checks_of"]

CHECKS: dict[str, Callable[[Subject], str | None]] = {
    "defaults": construction.check_defaults,
    "JSON": construction.check_json,
    "build": construction.check_build,
    "encode": outputs.check_encode,
    "decode": outputs.check_decode,
    "loss": losses.check_loss,
    "parts": parts.check_parts,
    "sum over values": losses.check_sum_over_values,
    "examples apart": losses.check_examples_apart,
    "seeds": construction.check_seeds,
    "tensor names": construction.check_tensor_names,
    "reconstruct": outputs.check_reconstruct,
    "deterministic": outputs.check_deterministic,
    "dtypes": outputs.check_dtypes,
    "units": units.check_units,
    "densities": units.check_densities,
    "distributions": outputs.check_distributions,
    "sample": outputs.check_sample,
    "gradients": losses.check_gradients,
    "ELBO": bounds.check_elbo,
    "prior codes": bounds.check_prior_codes,
    "importance-weighted bound": bounds.check_importance_bound,
    "linear-Gaussian bound": bounds.check_linear_gaussian,
    "save and load": persistence.check_save_and_load,
    "own metrics and pictures": persistence.check_own,
    "training": persistence.check_training,
    "deepcopy": portability.check_deepcopy,
    "torch.export": portability.check_export,
    "torch.compile": portability.check_compile,
    "exact": portability.check_exact,
    "devices": portability.check_devices,
}
"""Every check by its name, in the order in which they run, each for every domain of the family. One
that needs a prior or another device says so where there is none."""

FIRST = ("defaults", "build", "encode", "decode", "loss")
"""If one of these fails, nearly all others would fail for the same reason: they are not run."""


def check_family(family: str, small: Mapping[str, Any] | None = None) -> Report:
    """Checks a family: its Specs, its models, and all that the zoo does with them.

    Args:
        family: its name: built in, registered, or from an installed package.
        small: fields of the Spec that are set in every model, where the defaults give a large one,
            such as `{"hidden": 64}`.

    Returns:
        Every check with its result; "not measured" where something is missing here.

    Raises:
        UnknownNameError: for an unknown family.
        PluginError: if any check fails, with a sentence for each.
    """
    report = Report(family, tuple(checks_of(family, small)))
    failed = [check for check in report.checks if check.result == "failed"]
    if failed:
        said = "".join(f"\n  {check.what}: {check.detail}" for check in failed)
        raise PluginError(
            f"{families.expanded(family)[0].title} fails {len(failed)} of {len(report.checks)} checks:{said}"
        )
    return report


def checks_of(family: str, small: Mapping[str, Any] | None = None) -> Iterator[Check]:
    """The same, one check after another; what fails is in the results.

    Raises UnknownNameError for an unknown family.
    """
    try:
        subject = Subject.of(family, small)
    except (UnknownNameError, NotInstalledError):
        raise
    except (Exception, SystemExit) as failure:  # whatever a family's Spec does
        yield Check("defaults", "failed", _sentence(failure))
        return
    for name in CHECKS:
        found = answer(name, subject)
        yield found
        if found.result == "failed" and name in FIRST:
            return


def answer(name: str, subject: Subject) -> Check:
    """One check, by its name, of one family, on every domain that it takes.

    One domain that fails is a failure; what could be measured of none is not measured.
    """
    found = {nouns: _answer(name, part) for nouns, part in subject.by_domain().items()}
    result = Report("", tuple(found.values())).result
    domains_of: dict[str, list[str]] = {}
    for nouns, check in found.items():
        if check.result == result:
            domains_of.setdefault(check.detail, []).append(nouns)
    said = [
        detail if len(nouns) == len(found) else f"{' and '.join(nouns)}: {detail}"
        for detail, nouns in domains_of.items()
    ]
    return Check(name, result, "; ".join(said))


def _answer(name: str, subject: Subject) -> Check:
    """One check on one domain."""
    check = CHECKS[name]
    try:
        return Check(name, "passed", check(subject) or (check.__doc__ or "").splitlines()[0])
    except NotInstalledError:
        raise
    except NotMeasuredError as why:
        return Check(name, "not measured", str(why))
    except (Exception, SystemExit) as failure:  # whatever a family's code does
        package = subject.family.cls.__module__.partition(".")[0]
        return Check(name, "failed", _sentence(failure, package))


def _sentence(failure: BaseException, package: str = "") -> str:
    """What failed, and for an exception where in a package's code."""
    if isinstance(failure, FailedError | ZooError):
        return str(failure)
    where = [
        f" ({Path(frame.f_code.co_filename).name}, line {line})"
        for frame, line in traceback.walk_tb(failure.__traceback__)
        if str(frame.f_globals.get("__name__")).partition(".")[0] == package
    ]
    return f"it raises {cause(failure)}{where[-1] if where else ''}"
