"""Settings and JSON that a caller gives: strict, and every problem told at once."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pytest
import torch
from pydantic import Field

import zoo
from zoo.errors import RecipeError, SpecError, WeightsError
from zoo.specs.validation import MAX_LISTED, Strict, checked, parse_json, validated


class Round(Strict):
    kind: Literal["round"] = "round"
    radius: Annotated[float, Field(gt=0)] = 1.0


class Square(Strict):
    kind: Literal["square"] = "square"
    side: Annotated[int, Field(ge=1, le=9)] = 1


class Thing(Strict):
    width: Annotated[int, Field(ge=1, le=100)]
    sizes: tuple[int, ...] = ()
    shape: Annotated[Round | Square, Field(discriminator="kind")] = Round()
    clip: Literal["off"] | Annotated[float, Field(gt=0)] = "off"
    color: Literal["red", "green"] = "red"
    extras: dict[str, float] = Field(default={})


@contextmanager
def no_hang(seconds: int = 20):
    """A guard, not a measurement: what would never end fails instead."""

    def give_up(number, frame):
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def problems(**fields) -> list[str]:
    model, lines = checked(Thing, fields)
    assert model is None
    return lines


# Settings


def test_lists_are_tuples_and_defaults_are_there():
    thing = validated(Thing, {"width": 3, "sizes": [1, 2]}, RecipeError, "This")
    assert (thing.sizes, thing.shape, thing.clip) == ((1, 2), Round(), "off")


def test_settings_cannot_be_changed():
    thing = Thing(width=3)
    with pytest.raises(ValueError, match="frozen"):
        thing.width = 4


def test_every_problem_is_told_at_once_one_a_line():
    with pytest.raises(RecipeError) as caught:
        validated(
            Thing, {"witdh": 3, "sizes": ["a"], "clip": -1, "color": "rde"}, RecipeError, "This"
        )
    lines = str(caught.value).splitlines()
    assert lines[0] == "This has 5 problems:"
    assert lines[1:] == [
        "  width: missing",
        "  sizes.0: input should be a valid integer, not 'a'",
        "  clip: input should be 'off' or greater than 0, not -1",
        "  color: input should be 'red' or 'green', not 'rde'. Did you mean 'red'?",
        "  witdh: unknown field. Did you mean 'width'?",
    ]


def test_a_field_with_no_near_name_gets_all_names():
    assert problems(width=1, zzz=2) == [
        "zzz: unknown field. Known: width, sizes, shape, clip, color, extras."
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("3", "'3'"),
        (3.5, "3.5"),
        (True, "true"),
        (None, "null"),
        ([1], "a list"),
        ({"a": 1}, "an object"),
    ],
)
def test_nothing_is_coerced_and_the_value_is_shown_as_it_was(value, shown):
    (line,) = problems(width=value)
    assert line.startswith("width: ")
    assert line.endswith(f", not {shown}")


@pytest.mark.parametrize(("value", "bound"), [(0, "equal to 1"), (101, "equal to 100")])
def test_a_number_out_of_range_gets_the_bound(value, bound):
    (line,) = problems(width=value)
    assert bound in line
    assert line.endswith(f"not {value}")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_not_finite_is_refused(value):
    assert problems(width=1, clip=value)
    assert problems(width=1, extras={"a": value})


def test_an_unknown_kind_gets_the_known_ones():
    assert problems(width=1, shape={"kind": "squar"}) == [
        "shape: kind should be one of 'round', 'square', not 'squar'. Did you mean 'square'?"
    ]


def test_a_missing_kind_is_named():
    (line,) = problems(width=1, shape={"side": 3})
    assert line.startswith("shape: missing discriminator field 'kind'")


def test_a_problem_inside_a_kind_has_the_path_that_a_person_writes():
    assert problems(width=1, shape={"kind": "square", "side": 99, "sid": 1}) == [
        "shape.side: input should be less than or equal to 9, not 99",
        "shape.sid: unknown field. Did you mean 'side'?",
    ]


@pytest.mark.parametrize(
    "value",
    [{1, 2}, b"x", Path("x"), object(), torch.zeros(2), np.int64(3), 10**5000],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_plain_data_is_refused(value):
    (line,) = problems(width=value)
    assert "not plain numbers, strings and lists" in line


def test_a_list_that_holds_itself_is_refused():
    loop: list = []
    loop.append(loop)
    assert "not plain" in problems(width=1, sizes=loop)[0]


def test_many_problems_are_counted_and_the_first_are_shown():
    with pytest.raises(RecipeError) as caught:
        validated(Thing, {"width": 1, **{f"k{i}": 1 for i in range(3000)}}, RecipeError, "This")
    lines = str(caught.value).splitlines()
    assert lines[0] == "This has 3,000 problems:"
    assert len(lines) == MAX_LISTED + 2
    assert lines[-1] == f"  ... and {3000 - MAX_LISTED:,} more"


def test_foreign_names_are_cut_and_escaped():
    (line,) = problems(width=1, **{"a\x1b[2J\nError: all is well" + "x" * 1000: 1})
    assert "\x1b" not in line
    assert "\n" not in line
    assert line.startswith(r"a\x1b[2J\nError: all is well")
    assert len(line) < 200


def test_foreign_values_are_cut_and_escaped():
    (line,) = problems(width="\x1b[2J\n" + "x" * 1000)
    assert line.isprintable()
    assert len(line) < 200


# JSON


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is not JSON"),
        (b"\x00\x01", "is not JSON"),
        (b"\xff\xfe{}", "is not JSON: 'utf-8' codec"),
        (b"\xef\xbb\xbf{}", "is not JSON: Unexpected UTF-8 BOM"),
        ("{}".encode("utf-16"), "is not JSON"),
        (b"[1, 2]", "holds a list, not an object"),
        (b"null", "holds null, not an object"),
        (b'"' + b"x" * 1000 + b'"', "not an object"),
        (b'{"a": 1, "a": 1}', "duplicate key"),
        (b'{"a": {"b": 1, "b": 2}}', "duplicate key"),
        (b'{"a": NaN}', "NaN is not a finite number"),
        (b'{"a": -Infinity}', "-Infinity is not a finite number"),
        (b'{"a": 1e999}', "1e999 is not a finite number"),
        (b'{"a": ' + b"9" * 5000 + b"}", "is not JSON"),
        (b"[" * 60_000, "is not JSON: maximum recursion depth"),
        (b'{"a":' * 12_000, "is not JSON: maximum recursion depth"),
        (b'{"a": "' + b'\\"' * 30_000, "is not JSON: Unterminated"),
        (b'"' + b'\\"' * 31_000, "is not JSON: Unterminated"),
        (b'"abc\\', "is not JSON"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_json_that_is_damaged_or_hostile_is_refused(data, why):
    with no_hang(), pytest.raises(WeightsError, match="'config'") as caught:
        parse_json(data, "config")
    assert why in str(caught.value)
    assert len(str(caught.value)) < 300


def test_brackets_in_strings_are_text():
    assert parse_json(b'{"a": "' + b"[" * 50 + b'\\"]{"}', "x") == {"a": "[" * 50 + '"]{'}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"likelihood": "gaussian"}, 'Write {kind = "gaussian"}.'),
        ({"likelihood": "gausian"}, 'Write {kind = "gaussian"}.'),
        ({"body": "mlp"}, 'Write {kind = "mlp"}.'),
        ({"prior": "mixture"}, 'Write {kind = "normal"} or {kind = "vamp"}.'),
    ],
)
def test_a_kind_that_stands_alone_is_written_out(fields, said):
    with pytest.raises(SpecError) as caught:
        zoo.build("vae", input_shape=(1, 8, 8), latent_dim=2, **fields)
    assert said in str(caught.value)
