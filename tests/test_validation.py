"""What a caller gives is checked: settings, JSON, and the tensors for encode and decode."""

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
from zoo.errors import InputError, RecipeError, WeightsError
from zoo.validation import MAX_LISTED, Strict, checked, parse_json, validated


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
    colour: Literal["red", "green"] = "red"
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
            Thing, {"witdh": 3, "sizes": ["a"], "clip": -1, "colour": "rde"}, RecipeError, "This"
        )
    lines = str(caught.value).splitlines()
    assert lines[0] == "This has 5 problems:"
    assert lines[1:] == [
        "  width: missing",
        "  sizes.0: input should be a valid integer, not 'a'",
        "  clip: input should be 'off' or greater than 0, not -1",
        "  colour: input should be 'red' or 'green', not 'rde'. Did you mean 'red'?",
        "  witdh: there is no such field. Did you mean 'width'?",
    ]


def test_a_field_with_no_near_name_gets_all_names():
    assert problems(width=1, zzz=2) == [
        "zzz: there is no such field. Known: width, sizes, shape, clip, colour, extras."
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


def test_a_missing_kind_is_asked_for():
    (line,) = problems(width=1, shape={"side": 3})
    assert line.startswith("shape: needs a 'kind'")


def test_a_problem_inside_a_kind_has_the_path_that_a_person_writes():
    assert problems(width=1, shape={"kind": "square", "side": 99, "sid": 1}) == [
        "shape.side: input should be less than or equal to 9, not 99",
        "shape.sid: there is no such field. Did you mean 'side'?",
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


def test_a_million_values_are_not_looked_at():
    with no_hang():
        (line,) = problems(width=1, sizes=[-1.5] * 10**6)
    assert "at most 64,000 are read" in line


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
        (b'{"a": 1, "a": 1}', "a key stands twice"),
        (b'{"a": {"b": 1, "b": 2}}', "a key stands twice"),
        (b'{"a": NaN}', "NaN is not a finite number"),
        (b'{"a": -Infinity}', "-Infinity is not a finite number"),
        (b'{"a": 1e999}', "1e999 is not a finite number"),
        (b'{"a": ' + b"9" * 5000 + b"}", "is not JSON"),
        (b"[" * 60_000, "nested more than 16 deep"),
        (b'{"a":' * 12_000, "nested more than 16 deep"),
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


def test_brackets_in_strings_are_not_depth():
    assert parse_json(b'{"a": "' + b"[" * 50 + b'\\"]{"}', "x") == {"a": "[" * 50 + '"]{'}


# Tensors


@pytest.fixture(scope="module")
def model():
    return zoo.build("vae", image_shape=(1, 8, 10), latent_dim=3, body={"kind": "mlp"}, seed=0)


WANTED = "encode takes (N, 1, 8, 10), float in [0, 1]; got "


@pytest.mark.parametrize(
    ("x", "got"),
    [
        (torch.zeros(8, 10, dtype=torch.uint8), "(8, 10), uint8. Try x[None, None] / 255."),
        (torch.zeros(8, 10), "(8, 10), float32. Try x[None, None]."),
        (torch.zeros(1, 8, 10), "(1, 8, 10), float32. Try x[None]."),
        (torch.zeros(5, 8, 10), "(5, 8, 10), float32. Try x[:, None]."),
        (torch.zeros(5, 80), "(5, 80), float32. Try x.view(-1, 1, 8, 10)."),
        (torch.zeros(5, 8, 10, 1), "(5, 8, 10, 1), float32. Try x.permute(0, 3, 1, 2)."),
        (torch.zeros(5, 1, 10, 8), "(5, 1, 10, 8), float32."),
        (torch.zeros(5, 3, 8, 10), "(5, 3, 8, 10), float32."),
        (torch.zeros(()), "(), float32."),
        (torch.zeros(2, 1, 8, 10, dtype=torch.uint8), "(2, 1, 8, 10), uint8. Try x / 255."),
        (torch.zeros(2, 1, 8, 10, dtype=torch.int64), "(2, 1, 8, 10), int64. Try x / 255."),
        (torch.zeros(2, 1, 8, 10, dtype=torch.bool), "(2, 1, 8, 10), bool. Try x.float()."),
        (torch.zeros(2, 1, 8, 10, dtype=torch.complex64), "(2, 1, 8, 10), complex64."),
        (
            torch.zeros(2, 1, 8, 10).to(torch.float8_e4m3fn),
            "(2, 1, 8, 10), float8_e4m3fn. Try x.float().",
        ),
        (
            torch.zeros(2, 1, 8, 10).to_sparse(),
            "(2, 1, 8, 10), float32, sparse_coo. It takes dense",
        ),
        (torch.zeros(2, 1, 8, 10, device="meta"), "(2, 1, 8, 10), float32, on the meta device."),
        (torch.full((2, 1, 8, 10), 255.0), "with values from 255 to 255. Try x / 255."),
        (torch.full((2, 1, 8, 10), -0.5), "with values from -0.5 to -0.5."),
        (torch.full((2, 1, 8, 10), 1.001), "with values from 1.001 to 1.001. Try x / 255."),
        (torch.full((2, 1, 8, 10), float("nan")), "with values from nan to nan."),
        (torch.full((2, 1, 8, 10), float("inf")), "with values from inf to inf."),
        (np.zeros((2, 1, 8, 10), np.float32), "ndarray. Try torch.as_tensor(x)."),
        ([[0.0]], "list. Try torch.as_tensor(x)."),
        (None, "NoneType."),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_images_of_another_shape_dtype_or_range_are_refused(model, x, got):
    with pytest.raises(InputError) as caught:
        model.encode(x)
    assert str(caught.value).startswith(WANTED)
    assert got.rstrip(".") in str(caught.value)


@pytest.mark.parametrize("method", ["encode", "reconstruct", "forward", "loss", "posterior"])
def test_every_public_method_checks_its_images(model, method):
    with pytest.raises(InputError, match="Try x / 255"):
        getattr(model, method)(torch.full((2, 1, 8, 10), 255.0))


@pytest.mark.parametrize(
    ("z", "got"),
    [
        (torch.zeros(2, 4), "(2, 4), float32."),
        (torch.zeros(()), "(), float32."),
        (torch.zeros(2, 3, dtype=torch.int64), "(2, 3), int64. Try z.float()."),
        (torch.zeros(2, 3, dtype=torch.complex64), "(2, 3), complex64."),
        (torch.zeros(2, 3).to(torch.float8_e5m2), "(2, 3), float8_e5m2. Try z.float()."),
        (torch.full((2, 3), float("inf")), "with values that are not finite."),
        (torch.full((2, 3), float("nan")), "with values that are not finite."),
        (torch.full((2, 3), 1e300, dtype=torch.float64), "with values that are not finite."),
        (torch.zeros(2, 3).to_sparse(), "(2, 3), float32, sparse_coo."),
        (torch.zeros(2, 3, device="meta"), "(2, 3), float32, on the meta device."),
        (np.zeros((2, 3)), "ndarray. Try torch.as_tensor(z)."),
        (None, "NoneType."),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
@pytest.mark.parametrize("method", ["decode", "likelihood"])
def test_codes_of_another_shape_or_dtype_are_refused(model, method, z, got):
    with pytest.raises(InputError) as caught:
        getattr(model, method)(z)
    assert str(caught.value).startswith("decode takes (..., 3), float; got ")
    assert got.rstrip(".") in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_plain_float_is_taken(model, dtype):
    x = torch.rand(2, 1, 8, 10).to(dtype)
    z = model.encode(x)
    assert (z.shape, z.dtype) == ((2, 3), torch.float32)
    assert model.decode(z.to(dtype)).shape == (2, 1, 8, 10)


def test_no_images_at_all_are_fine(model):
    assert model.encode(torch.zeros(0, 1, 8, 10)).shape == (0, 3)
    assert model.decode(torch.zeros(0, 3)).shape == (0, 1, 8, 10)
    assert model.decode(torch.zeros(3)).shape == (1, 8, 10)


@pytest.mark.parametrize("n", [-1, 2.0, "3", None, True])
def test_a_sample_of_no_number_is_refused(model, n):
    with pytest.raises(InputError, match="sample takes a number of images"):
        model.sample(n)


@pytest.mark.parametrize("device", ["cuda:99", "gpu", "", None, "vulkan"])
def test_a_device_that_is_not_there_is_refused(device):
    zoo.save(zoo.build("ae", image_shape=(1, 8, 8), latent_dim=2), "model")
    with pytest.raises(zoo.DeviceError) as caught:
        zoo.load("./model", device=device)
    assert repr(device) in str(caught.value)
    assert "Try 'cpu'" in str(caught.value) or "Use 'cpu'" in str(caught.value)


def test_cuda_without_a_gpu_is_refused():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    zoo.save(zoo.build("ae", image_shape=(1, 8, 8), latent_dim=2), "model")
    for use in (
        lambda: zoo.load("./model", device="cuda"),
        lambda: zoo.evaluate("./model", device="cuda"),
    ):
        with pytest.raises(zoo.DeviceError, match="'cuda' is not here"):
            use()


@pytest.mark.parametrize("dtype", ["float16", torch.int8, float, torch.complex64])
def test_a_dtype_that_is_no_float_is_refused(dtype):
    with pytest.raises(InputError, match=r"floating torch dtype, such as torch\.bfloat16"):
        zoo.load("./model", dtype=dtype)
