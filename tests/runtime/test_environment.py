"""Settings from the environment: read with their units, or refused by name."""

from __future__ import annotations

import pytest

from zoo.data.stream import worker_count
from zoo.errors import DataError
from zoo.runtime import environment


@pytest.mark.parametrize(
    ("said", "expected"),
    [("", 7), ("0", 0), ("512", 2**29), ("1GB", 10**9), ("2 GiB", 2**31), ("500mb", 5 * 10**8)],
)
def test_a_size_is_in_mib_or_in_the_unit_that_it_says(monkeypatch, said, expected):
    monkeypatch.setenv("X", said)
    assert environment.size("X", 7) == expected


@pytest.mark.parametrize("said", ["GB", "1.5GB", "-1", "1e3", "four", "1TB", "\u0661"])
def test_a_size_that_is_not_understood_is_refused_by_name(monkeypatch, said):
    monkeypatch.setenv("X", said)
    with pytest.raises(
        DataError,
        match=r"variable X=.* is not a size: use MiB, such as X=512, or a unit, such as 1GB",
    ):
        environment.size("X", 7)


def test_workers_are_as_many_as_is_said_and_no_word_is_ignored(monkeypatch):
    monkeypatch.setenv("ZOO_WORKERS", "3")
    assert worker_count() == 3
    for said in ("two", "-1", "1.5", "\u00b2"):
        monkeypatch.setenv("ZOO_WORKERS", said)
        with pytest.raises(DataError, match=r"ZOO_WORKERS=.* is not a whole number"):
            worker_count()
