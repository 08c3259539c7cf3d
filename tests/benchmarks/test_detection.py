"""The parts of `benchmarks/detection.py` that need neither data nor PyOD."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
import torch
from anomalies.images import Folder, _pictures, _shuffled
from anomalies.methods import Recipe, fit_pca
from anomalies.records import Records, mean_of, ranked, shown
from anomalies.tables import ALL, HALF, Labeled, find_tables, read_table
from PIL import Image

import zoo
from zoo.data import Examples


def a_table(rows: int = 40, anomalies: int = 10) -> Labeled:
    values = np.random.default_rng(0).normal(size=(rows, 3))
    return Labeled("a table", values, np.repeat([0, 1], [rows - anomalies, anomalies]))


def test_tables_for_development_are_measured_only_if_asked_for(tmp_path):
    for name in ("4_few", "14_some", "15_others", "unnumbered"):
        np.savez(tmp_path / f"{name}.npz", X=np.zeros((2, 1)), y=np.zeros(2))
    names = [path.stem for path in find_tables(tmp_path, False, None)]
    assert names == ["15_others", "unnumbered"]
    assert [path.stem for path in find_tables(tmp_path, True, None)] == ["4_few", "14_some"]
    with pytest.raises(zoo.DataError, match="15_others is not among the tables with --development"):
        find_tables(tmp_path, True, ["15_others"])


def test_rows_are_drawn_alike_every_time(tmp_path):
    rows = np.arange(20.0)[:, None]
    np.savez(tmp_path / "1_few.npz", X=rows, y=np.zeros(20))
    one, other = (read_table(tmp_path / "1_few.npz", 5) for _ in range(2))
    expected = np.random.default_rng(0).choice(20, 5, replace=False)
    assert one.rows[:, 0].tolist() == expected.tolist()
    assert one.sha256 == other.sha256


def test_half_fits_on_normal_rows_that_are_not_scored():
    table = a_table()
    fitted, tested, labels = table.split(HALF, seed=0)
    assert tested is not None
    normal = {tuple(row) for row in table.rows[table.labels == 0]}
    assert {tuple(row) for row in fitted} | {tuple(row) for row in tested[labels == 0]} == normal
    assert (len(fitted), len(tested), labels.sum()) == (15, 25, 10)
    assert table.split(ALL, seed=0)[1] is None


def test_a_stopped_run_resumes_without_measuring_again(tmp_path):
    path = tmp_path / "found.json"
    first = Records(path, {"what": "tables"})
    first.measure({"seed": 0}, lambda: {"auroc": 0.5})
    first.write()
    resumed = Records(path, {"what": "tables"})
    assert resumed.measure({"seed": 0}, lambda: pytest.fail("measured again"))["auroc"] == 0.5


def test_a_file_of_another_setting_is_refused(tmp_path):
    path = tmp_path / "found.json"
    Records(path, {"what": "tables", "score": "nll"}).write()
    with pytest.raises(SystemExit, match=r"another setting \(score\)"):
        Records(path, {"what": "tables", "score": "kl"})


def test_a_failure_is_shown_as_one():
    def fails() -> dict[str, float]:
        raise ValueError("no")

    one = Records(None, {}).measure({}, fails, catch=True)
    assert one["error"] == "ValueError: no"
    assert shown([one]) == "failed"


def test_a_mean_over_groups_keeps_the_seeds_apart():
    def of(value: float) -> dict[str, float]:
        return {"auroc": value, "auroc_se": 0.1}

    assert [one["auroc"] for one in mean_of([[of(0.0), of(0.5)], [of(1.0)]])] == [0.5, 0.75]


def test_anomalies_are_positive():
    low, high = np.zeros(5), np.ones(5)
    assert ranked(low, high, is_first=False) == {"auroc": 1.0}
    assert ranked(low, high, is_first=True)["auroc"] == 1.0


def test_shuffled_images_have_the_same_patches_in_another_order():
    images = torch.randint(0, 256, (20, 1, 28, 28), dtype=torch.uint8)
    made = _shuffled(images, 14, np.random.default_rng(0))

    def patches(image: torch.Tensor) -> set[bytes]:
        corners = [(y, x) for y in (0, 14) for x in (0, 14)]
        return {image[0, y : y + 14, x : x + 14].numpy().tobytes() for y, x in corners}

    for before, after in zip(images, made, strict=True):
        assert patches(before) == patches(after)
        assert not torch.equal(before, after)


def test_drawings_in_an_archive_are_inverted(tmp_path):
    drawing = io.BytesIO()
    Image.new("1", (105, 105), 1).save(drawing, "PNG")
    with zipfile.ZipFile(tmp_path / "drawings.zip", "w") as archive:
        archive.writestr("one/1.png", drawing.getvalue())
        archive.writestr("one/readme.txt", "no picture")
    found = _pictures(Folder("omniglot", tmp_path, inverted=True), 10)
    assert found.shape == (1, 28, 28)
    assert found.values.max() == 0


def test_the_error_of_pca_is_zero_on_images_of_few_dimensions():
    images = torch.zeros(50, 1, 28, 28, dtype=torch.uint8)
    images[:, 0, :4, :5] = torch.randint(0, 256, (50, 4, 5), dtype=torch.uint8)
    errors = fit_pca(images)
    assert errors(images).max() < 1e-9
    assert errors(images.flip(-1)).min() > 0.1


def test_the_untrained_network_is_that_which_training_starts_from():
    rows = torch.randn(60, 4, dtype=torch.float64) * 5 + 3
    examples = Examples("X", "all", rows)
    recipe = Recipe(settings={"epochs": 1, "learning_rate": 1e-12})
    trained = recipe.detector(0).fit(examples).detector_.model.state_dict()
    untrained = recipe.untrained(examples, 0).fit(examples).detector_.model.state_dict()
    for name, weight in untrained.items():
        if not name.startswith("standardization."):  # training holds out a tenth of the rows
            torch.testing.assert_close(weight, trained[name], rtol=0, atol=1e-6, msg=name)
    torch.testing.assert_close(untrained["standardization.mean"], rows.mean(0))
