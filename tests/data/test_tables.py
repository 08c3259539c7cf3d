"""A user's table: kinds found and given, rows of numbers, and a sentence for everything that does not fit."""

from __future__ import annotations

import builtins
import datetime
import logging
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

import zoo
from zoo.data.tables import Column, Table
from zoo.errors import DataError, InputError

N = 100
CITIES = ("Bern", "Oslo", "Rome")


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    """Columns of every kind, without gaps."""
    dice = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": dice.integers(20, 60, N),
            "city": dice.choice(CITIES, N),
            "sex": dice.choice(["f", "m"], N),
            "member": dice.random(N) > 0.5,
            "joined": pd.date_range("2024-01-01", periods=N, freq="36h"),
            "income": dice.normal(size=N),
            "visits": dice.integers(0, 2, N),
        }
    )


@pytest.fixture(scope="module")
def table(people) -> Table:
    return Table.of(people)


# Kinds


def test_kinds_are_found_and_told_in_a_line(people, caplog):
    table = Table.of(people)
    assert [column.kind for column in table.columns] == [
        "real",
        "categorical",
        "binary",
        "binary",
        "real",
        "real",
        "binary",
    ]
    assert table.columns_setting == "r c3 2b 2r b"
    assert table.names == tuple(people.columns)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == (
        "The DataFrame: 7 columns: 3 real (joined: dates, as seconds since 1970), 3 binary, "
        "1 categorical (city: 3 values)."
    )


def test_a_kind_is_given(people):
    table = Table.of(people, {"age": "categorical", "visits": "real", "city": "categorical"})
    assert table.columns[0].categories == tuple(sorted(set(people["age"])))
    assert table.columns[6].kind == "real"


def test_two_texts_are_binary_and_remembered(table, people):
    assert table.columns[2] == Column(name="sex", kind="binary", categories=("f", "m"))
    assert np.array_equal(table.encode(people)[:, 2], people["sex"] == "m")


def test_pandas_categories_are_categorical_whatever_they_hold():
    of = pd.DataFrame({"size": pd.Categorical([38, 40, 42] * 4), "x": np.arange(12) / 7})
    assert Table.of(of).columns[0].categories == (38, 40, 42)


def test_dates_are_seconds_since_1970_in_utc(people):
    texts = people["joined"].dt.strftime("%Y-%m-%d %H:%M:%S")
    zone = people["joined"].dt.tz_localize("UTC").dt.tz_convert("Europe/Rome")
    objects = [one.date() for one in people["joined"]]
    of = pd.DataFrame({"when": people["joined"], "text": texts, "zone": zone, "day": objects})
    table = Table.of(of)
    assert all(column.is_date and column.kind == "real" for column in table.columns)
    seconds = [one.timestamp() for one in people["joined"].dt.tz_localize("UTC")]
    found = table.encode(of)
    for column in range(3):
        assert found[:, column].tolist() == seconds
    assert (found[:, 3] % 86_400 == 0).all()
    assert table.decode_row(found[3])["when"] == people["joined"][3]


# Rows of numbers


def test_columns_are_taken_by_name(table, people):
    rows = table.encode(people)
    assert rows.dtype == np.float64
    assert rows.shape == (N, 7)
    assert np.array_equal(table.encode(people[["visits", *people.columns[:-1]]]), rows)
    assert np.array_equal(table.encode(people.to_records(index=False).view(np.ndarray)), rows)
    assert table.encode(people[:0]).shape == (0, 7)
    assert np.array_equal(table.encode(people[:1]), rows[:1])


def test_codes_are_places_among_the_categories(table, people):
    rows = table.encode(people)
    assert [CITIES[int(code)] for code in rows[:, 1]] == people["city"].tolist()
    row = table.decode_row(rows[5])
    assert row["city"] == people["city"][5]
    assert row["sex"] == people["sex"][5]
    assert row["joined"] == people["joined"][5]
    assert row["income"] == people["income"][5]
    assert table.decode_row([np.nan] * 7) == dict.fromkeys(table.names)


def test_a_table_is_kept_as_json_and_loads_without_pandas(table, people):
    text = table.model_dump_json()
    assert Table.model_validate_json(text) == table
    code = f"""
import sys
sys.modules["pandas"] = None
import numpy as np
from zoo.data.tables import Table
table = Table.model_validate_json({text!r})
row = np.array([(30, b"Oslo", "f", True, "2024-01-01", 0.5, 1)], dtype=[(n, "O") for n in table.names])
print(table.encode(row).tolist())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[[30.0, 1.0, 0.0, 1.0, 1704067200.0, 0.5, 1.0]]\n"


def test_an_array_has_numbered_columns():
    x = np.stack([np.arange(20) / 3, np.arange(20) % 2], 1)
    table = Table.of(torch.from_numpy(x))
    assert (table.names, table.columns_setting) == (("0", "1"), "r b")
    assert np.array_equal(table.encode(x), x)
    with pytest.raises(DataError, match="has 3 columns; the table has 2"):
        table.encode(np.zeros((2, 3)))
    with pytest.raises(DataError, match=r"column '0' is of complex128. Columns are numbers"):
        table.encode(np.zeros((2, 2), complex))


def test_a_file_is_read_as_the_frame_that_it_holds(people, tmp_path):
    people.to_csv(tmp_path / "people.csv", index=False)
    people.to_parquet(tmp_path / "people.parquet")
    table = Table.of(people)
    for name in ("people.csv", "people.parquet"):
        assert Table.of(tmp_path / name) == table
        assert np.array_equal(table.encode(str(tmp_path / name)), table.encode(people))


def test_a_csv_with_text_gaps_and_dates(tmp_path):
    path = tmp_path / "shop.csv"
    lines = ["day,shop,sold,open"]
    for n in range(30):
        sold = "" if n == 4 else str(n * 1.5)
        shop = "" if n == 6 else ("north", "south", "east, upper")[n % 3]
        day = "" if n == 8 else f"2024-03-{n + 1:02d}"
        lines.append(f'{day},"{shop}",{sold},{n % 2 == 0}')
    path.write_text("\n".join(lines))
    with pytest.raises(
        DataError, match=r"row 4 of column 'sold' is missing. Set missing='marginal', or impute it"
    ) as caught:
        Table.of(path)
    assert "shop.csv" in str(caught.value)
    table = Table.of(path, missing="marginal")
    assert table.columns_setting == "r c3 r b"
    assert table.columns[1].categories == ("east, upper", "north", "south")
    rows = table.encode(path)
    assert np.argwhere(np.isnan(rows)).tolist() == [[4, 2], [6, 1], [8, 0]]
    march = datetime.datetime(2024, 3, 1, tzinfo=datetime.UTC)
    assert rows[0].tolist() == [march.timestamp(), 1, 0, 1]


def test_missing_values_are_nan_where_they_are_accepted(people):
    holes = people.astype({"age": "Int64", "member": "boolean"}).copy()
    for row, name in enumerate(holes.columns):
        holes.loc[row, name] = None
    rows = Table.of(holes, missing="marginal").encode(holes)
    assert np.argwhere(np.isnan(rows)).tolist() == [[n, n] for n in range(7)]


def test_its_setting_builds_a_model_that_takes_its_rows(table, people):
    model = zoo.build(
        "vae",
        input_shape=(len(table.names),),
        latent_dim=2,
        likelihood={"kind": "columns", "columns": table.columns_setting, "missing": table.missing},
    )
    assert model.encode(torch.from_numpy(table.encode(people))).shape == (N, 2)


# What does not fit


def with_column(people: pd.DataFrame, name: str, values: object) -> pd.DataFrame:
    return people.assign(**{name: values})


@pytest.mark.parametrize(
    ("name", "values", "sentence"),
    [
        (
            "note",
            [f"text {n}" for n in range(N)],
            "column 'note' has 100 different texts in 100 rows, such as 'text 0': too many to be categories "
            "(at most 50, and a fifth of the rows). Drop it, or give kinds={'note': 'categorical'}.",
        ),
        (
            "income",
            [np.inf if n == 3 else n / 7 for n in range(N)],
            "row 3 of column 'income' is inf. Drop",
        ),
        (
            "income",
            [None if n == 5 else n / 7 for n in range(N)],
            "row 5 of column 'income' is missing. Set",
        ),
        (
            "city",
            [None if n == 5 else "Oslo" for n in range(N)],
            "row 5 of column 'city' is missing. Set",
        ),
        ("income", None, "column 'income' has no values. Drop it."),
        (
            "tags",
            [["a"]] * N,
            "row 0 of column 'tags' is of type list. Columns are numbers, booleans",
        ),
        ("z", [1j] * N, "row 0 of column 'z' is of type complex. Columns are"),
    ],
)
def test_a_column_that_is_no_kind_is_refused_by_name(people, name, values, sentence):
    with pytest.raises(DataError, match=f"^The DataFrame: {re.escape(sentence)}"):
        Table.of(with_column(people, name, values))


@pytest.mark.parametrize(
    ("kinds", "error", "sentence"),
    [
        (
            {"cty": "real"},
            InputError,
            "has no column 'cty', which kinds names. Did you mean 'city'?",
        ),
        ({"city": "categoric"}, InputError, "got 'categoric'. Did you mean 'categorical'?"),
        ({"city": "real"}, DataError, "row 0 of column 'city' is '"),
        ({"age": "binary"}, DataError, "different values, and kinds says that it is binary"),
    ],
)
def test_kinds_that_do_not_fit_are_refused(people, kinds, error, sentence):
    with pytest.raises(error, match=re.escape(sentence)):
        Table.of(people, kinds)


def test_a_categorical_column_has_two_to_256_categories():
    many = pd.DataFrame({"a": range(300), "b": [1.5] * 300})
    with pytest.raises(
        DataError, match=r"'a' has 300 different values; .* 2 to 256. Group rare ones"
    ):
        Table.of(many, {"a": "categorical"})
    with pytest.raises(DataError, match=r"'b' has one value; .* 2 to 256. Drop it"):
        Table.of(many, {"b": "categorical"})


def test_columns_of_one_value_and_row_numbers_are_named_in_warnings(people, caplog):
    of = people.assign(id=range(7, 7 + N), unit="kg", zero=0.5)
    table = Table.of(of)
    assert table.columns_setting == "r c3 2b 2r b r b r"
    constant, counting, _ = [record.getMessage() for record in caplog.records]
    assert constant.startswith(
        "The DataFrame: columns with one value: 'unit', 'zero'. They are kept"
    )
    assert counting.startswith(
        "The DataFrame: columns of consecutive integers, each once, as row numbers are: 'id'."
    )
    assert all(record.levelno == logging.WARNING for record in caplog.records)
    assert table.encode(of)[:, -2:].tolist() == [[0, 0.5]] * N


@pytest.mark.parametrize(("rows", "count"), [(0, "no rows"), (1, "one row")])
def test_a_table_has_two_rows_or_more(people, rows, count):
    with pytest.raises(
        DataError, match=f"has {count}; kinds and scales are found from two or more"
    ):
        Table.of(people[:rows])


def test_two_columns_of_one_name_are_refused(people, tmp_path):
    twice = pd.concat([people, people[["age"]]], axis=1)
    with pytest.raises(DataError, match="The DataFrame has two columns named 'age'"):
        Table.of(twice)
    twice.to_csv(tmp_path / "twice.csv", index=False)
    with pytest.raises(DataError, match=r"twice.csv' has two columns named 'age'"):
        Table.of(tmp_path / "twice.csv")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"rename": {"city": "citty"}}, "lacks 'city'. Did you mean 'citty'?"),
        ({"drop": ["age", "city"]}, "lacks 'age', 'city'."),
        ({"assign": {"extra": 1}}, "has 'extra', which the table does not. Leave them out"),
        (
            {"assign": {"city": "Lima"}},
            "row 0 of column 'city' is 'Lima', which the table does not know. Known: 'Bern', 'Oslo', 'Rome'.",
        ),
        (
            {"assign": {"visits": 2}},
            "row 0 of column 'visits' is 2, which the table does not know. Known: 0, 1",
        ),
        ({"assign": {"age": "old"}}, "row 0 of column 'age' is 'old', not a number"),
        (
            {"assign": {"joined": "today"}},
            "row 0 of column 'joined' is 'today', not a date such as",
        ),
        (
            {"assign": {"joined": "2024-13-01"}},
            "row 0 of column 'joined' is '2024-13-01': month must be",
        ),
        (
            {"assign": {"income": np.nan}},
            "row 0 of column 'income' is missing. Set missing='marginal'",
        ),
        ({"assign": {"income": -np.inf}}, "row 0 of column 'income' is -inf"),
        ({"assign": {"age": pd.Timestamp("2024-01-01")}}, "column 'age' holds dates; in the table"),
    ],
)
def test_rows_of_another_table_are_refused_by_column(table, people, change, sentence):
    other = people.rename(columns=change.get("rename", {})).drop(columns=change.get("drop", []))
    with pytest.raises(DataError, match=re.escape(sentence)):
        table.encode(other.assign(**change.get("assign", {})))


@pytest.mark.parametrize("given", [3, [[1.0]], np.zeros(3), np.zeros((2, 2, 2)), "people.txt"])
def test_what_is_no_table_is_refused(given):
    with pytest.raises(InputError, match=r"A table is a pandas DataFrame, a .csv or .parquet file"):
        Table.of(given)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"a;b\n1;2\n", "has one column, 'a;b': its separator is ';', not a comma"),
        ("a.csv", b"a,b\n1,\xff\n", "is not a CSV file in UTF-8"),
        ("a.csv", b"a,b\n1,2\n1,2,3\n", "cannot be read as csv"),
        ("a.parquet", b"a,b\n1,2\n", "cannot be read as parquet"),
    ],
)
def test_a_damaged_file_is_refused_in_a_sentence(name, content, sentence, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=sentence):
        Table.of(tmp_path / name)
    with pytest.raises(DataError, match="Cannot open"):
        Table.of(tmp_path / f"no-{name}")


def test_a_file_without_pandas_names_the_extra(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text("a\n1\n2\n")
    real = builtins.__import__

    def absent(name, *rest, **options):
        if name == "pandas":
            raise ImportError(name)
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(DataError, match=r"needs pandas: pip install 'autoencoder-zoo\[tables\]'"):
        Table.of(tmp_path / "a.csv")


def test_missing_is_refused_or_marginal(people):
    with pytest.raises(InputError, match="missing is 'refused' or 'marginal'; got 'drop'"):
        Table.of(people, missing="drop")
