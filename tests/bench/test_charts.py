"""What is drawn of models side by side, that no name covers another, and that the same is the same."""

from __future__ import annotations

import io
import random

import pytest
from PIL import Image

from zoo.bench.charts import charts_of, check_matplotlib
from zoo.bench.entries import Entry
from zoo.bench.ranks import standings
from zoo.errors import InputError
from zoo.specs.metrics import Metrics

pytest.importorskip("matplotlib")


def measured(kl: float, reconstruction: float, **changes) -> Metrics:
    total = kl + reconstruction
    fields = {
        "dataset": "mnist",
        "split": "test",
        "protocol": "binarized",
        "n_examples": 100,
        "dataset_sha256": "aa",
        "seed": 0,
        "kl": kl,
        "reconstruction": reconstruction,
        "neg_elbo": total,
        "neg_elbo_se": 0.4,
        "mse": total / 1e4,
        "mse_se": 1e-4,
    }
    return Metrics(**(fields | changes))


def crowd(count: int = 12) -> list[Entry]:
    draw = random.Random(0)
    places = [(draw.uniform(20, 28), draw.uniform(55, 70)) for _ in range(count)]
    return [
        Entry(f"some-vae-mnist-{n}", "vae", measured=measured(*at)) for n, at in enumerate(places)
    ]


def test_a_protocol_has_a_plane_and_its_numbers_and_gray_images_their_error():
    drawn = {chart.name for table in standings(crowd(3)) for chart in charts_of(table)}
    assert drawn == {"mnist-binarized-rate-distortion", "mnist-binarized-neg_elbo", "mnist-mse"}


@pytest.mark.parametrize("count", [1, 2, 12])
def test_every_plot_is_a_picture_and_the_same_numbers_draw_the_same_bytes(count):
    for table in standings(crowd(count)):
        for chart in charts_of(table):
            png = chart.draw("png")
            assert png == chart.draw("png")
            with Image.open(io.BytesIO(png)) as picture:
                assert picture.size[0] > 900
                assert len(picture.convert("L").getcolors() or ()) > 10
            assert chart.draw("svg") == chart.draw("svg")


def test_no_name_covers_another_name_or_leaves_the_plane():
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation, Text

    [chart] = [c for t in standings(crowd()) for c in charts_of(t) if "rate" in c.name]
    figure = Figure((6.4, chart.height), dpi=160, layout="constrained")
    FigureCanvasAgg(figure)
    chart.plot(figure)
    figure.draw_without_rendering()
    axes = figure.axes[0]
    names = [note for note in axes.texts if note.get_text().startswith("some-vae")]
    boxes = [Text.get_window_extent(note) for note in names if isinstance(note, Annotation)]
    assert len(boxes) == 12
    frame = axes.get_window_extent()
    for n, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:n])
        assert frame.x0 <= box.x0
        assert box.x1 <= frame.x1


def test_a_plot_says_in_words_what_it_shows():
    [plane, numbers] = charts_of(standings(crowd(2))[0])
    assert "some-vae-mnist-0: rate" in plane.summary
    assert "± 0.40" in numbers.summary


def test_a_name_of_a_dataset_cannot_leave_the_folder():
    [table, *_] = standings([Entry("a", measured=measured(1.0, 2.0, dataset="../../x"))])
    assert all("/" not in chart.name for chart in charts_of(table))


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(InputError, match=r"pip install 'autoencoder-zoo\[plots\]'"):
        check_matplotlib()
