"""The run-length notation of a row's columns."""

from __future__ import annotations

import pytest

from zoo.specs.columns import layout_of, written


@pytest.mark.parametrize("text", ["3r 1500b c5 2c12", "r", "b", "c2", "2c3 r 2c3"])
def test_a_notation_comes_back(text):
    layout = layout_of(text)
    assert written(layout.kinds) == text


def test_a_layout_counts_columns_and_features():
    layout = layout_of("2r b c3 b 2c4")
    assert layout.kinds == (0, 0, 1, 3, 1, 4, 4)
    assert (len(layout), layout.features, layout.sizes) == (7, 15, (3, 4))
    assert layout.starts() == (0, 1, 2, 3, 6, 7, 11)
    assert [layout.of(kind) for kind in (0, 1, 3, 4)] == [(0, 1), (2, 4), (3,), (5, 6)]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", 'no columns; write "3r 2b c5" for 3 real columns'),
        ("3r 2x", "2x is not a run of columns, which is a count, then r"),
        ("r2", "r2 is not a run of columns"),
        ("c", "c is not a run of columns"),
        ("c1", "c1 has 1 category; a categorical column has 2 to 256"),
        ("3c257", "3c257 has 257 categories; a categorical column has 2 to 256"),
        ("0r 2b", "0r is a run of 0 columns; leave it out"),
        ("9999999c200", "1,999,999,800 features; at most 1,000,000"),
    ],
)
def test_a_malformed_one_is_refused_in_a_sentence(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        layout_of(text)
