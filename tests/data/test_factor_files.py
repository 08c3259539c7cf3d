"""Files of factors, and what is refused of them; which dataset knows its own."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.data.factors import factors_behind, factors_known, factors_of
from zoo.datasets import sprite_images as sprites
from zoo.errors import DataError, InputError
from zoo.specs.record import Measured


def test_a_file_has_a_header_and_whole_numbers(tmp_path):
    path = tmp_path / "factors.csv"
    path.write_bytes('\ufeffshape, "scale"\r\n0,-3\r\n 1 ,+2\r\n'.encode())
    found = factors_of("digits", "test", path)
    assert found.names == ("shape", '"scale"')
    assert found.values.tolist() == [[0, -3], [1, 2]]
    assert found.values.dtype == np.int64
    assert found.source == repr(str(path))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "A factor in the header of"),
        ("a,,b\n1,2,3\n", "A factor in the header of"),
        (" \n1\n", "A factor in the header of"),
        ("a,a\n1,2\n", "is 'a,a', not one name per factor"),
        ("0,1\n1,2\n", "is '0,1', not one name per factor"),
        ("a,b\n", "has no rows after its header"),
        ("a,b\n1,2\n1\n", "Row 3 of"),
        ("a,b\n1,2\n\n", "has 0 values, not 2"),
        ("a,b\n1,2,3\n", "has 3 values, not 2"),
        ("a,b\n1,\n", "'b' in row 2 of"),
        ("a,b\n1,2.5\n", "is '2.5'"),
        ("a,b\n1,nan\n", "is 'nan'"),
        ("a,b\n1,9999999999999999999\n", "is '9999999999999999999'"),
        ('a,b\n1,"2\n', "is not a CSV file"),
    ],
)
def test_a_file_with_a_mistake_is_refused(tmp_path, text, said):
    path = tmp_path / "factors.csv"
    path.write_text(text)
    with pytest.raises(DataError) as refused:
        factors_of("digits", "test", path)
    assert said in str(refused.value)
    assert "A factor file has a header with the factor names" in str(refused.value)


def test_a_file_that_is_not_text_or_not_there_is_refused(tmp_path):
    (tmp_path / "noise.csv").write_bytes(b"a\xff\n1\n")
    with pytest.raises(DataError, match="is not a CSV file"):
        factors_of("digits", "test", tmp_path / "noise.csv")
    with pytest.raises(DataError, match="Cannot open"):
        factors_of("digits", "test", tmp_path / "none.csv")
    with pytest.raises(DataError, match="is not a regular file"):
        factors_of("digits", "test", tmp_path)
    with pytest.raises(DataError, match="A path must be a string or Path; got 5"):
        factors_of("digits", "test", 5)


def test_sprites_know_their_factors_and_other_images_do_not():
    known = factors_of("sprites", "test", True)
    assert known.names == ("shape", "scale", "angle", "x", "y")
    assert np.array_equal(known.values, sprites.factors("test"))
    assert factors_of("sprites", "test", False) is None
    for other, name in (("digits", "'digits'"), (np.zeros((3, 8, 8), np.uint8), "This dataset")):
        with pytest.raises(
            InputError, match=rf"{name} has no ground-truth factors .* give a CSV file"
        ):
            factors_of(other, "test", True)


def test_published_scores_are_measured_again_against_the_very_same_factors_only():
    about = {"dataset": "sprites", "split": "test", "n_examples": 10_000, "seed": 0}
    sha256 = factors_known("sprites", "test").sha256
    of_its_own = Measured(**about, factors=("shape",), factors_sha256=sha256)
    assert np.array_equal(factors_behind(of_its_own).values, sprites.factors("test"))
    assert factors_behind(Measured(**about)) is None
    assert factors_behind(Measured(**about, factors=("a",), factors_sha256="0")) is None
    elsewhere = about | {"split": "nowhere"}
    assert factors_behind(Measured(**elsewhere, factors=("a",), factors_sha256="0")) is None
