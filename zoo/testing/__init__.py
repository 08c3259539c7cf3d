"""The conformance kit: does a family keep what everything else in the zoo counts on?

    import zoo.testing

    def test_my_family():
        zoo.testing.check_family("vq")

The same as `zoo plugins check vq`. The zoo's own families pass through it too.

    drawing.py     valid Specs, drawn
    subject.py     the family under test, its Specs, images of their sizes
    building.py    Spec -> model: JSON, sizes, tensors, names
    behaving.py    what the methods give: shapes, dtypes, ranges, determinism
    losing.py      losses, gradients, bounds
    keeping.py     saved, loaded, trained, measured, drawn
    travelling.py  copied, compiled, exported, on other devices
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from zoo import families
from zoo.errors import PluginError, UnknownNameError, ZooError
from zoo.guards import cause
from zoo.report import Check, Report
from zoo.testing import behaving, building, keeping, losing, travelling
from zoo.testing.subject import FailedError, NotMeasuredError, Subject

__all__ = ["CHECKS", "Subject", "answer", "check_family", "checks_of"]

CHECKS: dict[str, Callable[[Subject], str | None]] = {
    "defaults": building.check_defaults,
    "misspelt fields": building.check_misspelt_fields,
    "JSON": building.check_json,
    "build": building.check_build,
    "seeds": building.check_seeds,
    "tensor names": building.check_tensor_names,
    "encode": behaving.check_encode,
    "decode": behaving.check_decode,
    "reconstruct": behaving.check_reconstruct,
    "deterministic": behaving.check_deterministic,
    "unchanged": behaving.check_unchanged,
    "dtypes": behaving.check_dtypes,
    "distributions": behaving.check_distributions,
    "sample": behaving.check_sample,
    "loss": losing.check_loss,
    "gradients": losing.check_gradients,
    "ELBO": losing.check_elbo,
    "importance-weighted bound": losing.check_importance_bound,
    "save and load": keeping.check_save_and_load,
    "own metrics and pictures": keeping.check_own,
    "training": keeping.check_training,
    "deepcopy": travelling.check_deepcopy,
    "torch.export": travelling.check_export,
    "torch.compile": travelling.check_compile,
    "devices": travelling.check_devices,
}
"""Every check by its name, in the order in which they run. One that needs a prior, another device
or a compiler says so where there is none."""

FIRST = ("defaults", "build")
"""Without these, the others could not even begin."""


def check_family(family: str) -> Report:
    """Checks a family: its Specs, its models, and all that the zoo does with them.

    Args:
        family: its name: built in, registered, or from an installed package.

    Returns:
        Every check with its result; "not measured" where something is not here.

    Raises:
        UnknownNameError: for a name nobody has.
        PluginError: if any check fails, with a sentence for each.
    """
    report = Report(family, tuple(checks_of(family)))
    failed = [check for check in report.checks if check.result == "failed"]
    if failed:
        said = "".join(f"\n  {check.what}: {check.detail}" for check in failed)
        raise PluginError(
            f"{families.known_as(family)} fails {len(failed)} of {len(report.checks)} checks:{said}"
        )
    return report


def checks_of(family: str) -> Iterator[Check]:
    """The same, one check after another; what fails is in the results.

    Raises UnknownNameError for a name nobody has.
    """
    try:
        subject = Subject.of(family)
    except UnknownNameError:
        raise
    except Exception as failure:  # whatever a family's Spec does
        yield Check("defaults", "failed", _sentence(failure))
        return
    for name in CHECKS:
        found = answer(name, subject)
        yield found
        if found.result == "failed" and name in FIRST:
            return


def answer(name: str, subject: Subject) -> Check:
    """One check, by its name, of one family."""
    check = CHECKS[name]
    try:
        return Check(name, "passed", check(subject) or (check.__doc__ or "").splitlines()[0])
    except NotMeasuredError as why:
        return Check(name, "not measured", str(why))
    except Exception as failure:  # whatever a family's code does
        return Check(name, "failed", _sentence(failure))


def _sentence(failure: Exception) -> str:
    if isinstance(failure, FailedError | ZooError):
        return str(failure)
    return f"it raises {cause(failure)}"
