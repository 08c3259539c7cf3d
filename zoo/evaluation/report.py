"""`Report`: questions that were asked of something, and their answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

Result = Literal["passed", "failed", "not measured"]


@dataclass(frozen=True)
class Check:
    """One question, and its answer in a sentence."""

    what: str
    result: Result
    detail: str


@dataclass(frozen=True)
class Report:
    """What `zoo.verify` found of a model, or `zoo.testing` of a family."""

    origin: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether something passed and nothing failed. What could not be measured is no pass: see the checks."""
        return self.result == "passed"

    @property
    def result(self) -> Result:
        """Of all checks together: one that failed is a failure; without one that passed nothing was measured."""
        results = {check.result for check in self.checks}
        if "failed" in results:
            return "failed"
        return "passed" if "passed" in results else "not measured"

    @property
    def summary(self) -> str:
        """How many passed, failed and were not measured, of those that there are."""
        results = [check.result for check in self.checks]
        counts = {result: results.count(result) for result in get_args(Result)}
        return ", ".join(f"{count} {result}" for result, count in counts.items() if count)

    def as_json(self, kind: str) -> dict[str, Any]:
        """The report as plain data; `kind` is what it is of."""
        checks = [vars(check) for check in self.checks]
        return {kind: self.origin, "passed": self.passed, "checks": checks}
