"""Verbs on models of rows and series: their words, and what only images have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import zoo
from zoo.cli import main


@pytest.fixture(params=[(6,), (2, 16)], ids=["rows", "series"])
def domain(request, tmp_path, monkeypatch):
    """In the working folder a ./model, and its domain's examples as x.npy; gives the domain."""
    monkeypatch.chdir(tmp_path)
    shape = request.param
    model = zoo.build("vae", input_shape=shape, latent_dim=3, body={"kind": "mlp"}, seed=0)
    noise = torch.randn(40, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert model.standardization is not None
    model.standardization.mean[0] += 1.7e9
    zoo.save(model, "model")
    np.save("x.npy", model.standardization.restore(noise).numpy())
    return model.spec.domain


@pytest.fixture
def does(capsys):
    """Runs a command that succeeds, and gives what it prints."""

    def run(*words: str) -> str:
        with pytest.raises(SystemExit) as end:
            main([*words])
        out, err = capsys.readouterr()
        assert end.value.code == 0, err
        return out

    return run


def test_show_says_what_the_model_takes(domain, does):
    line = does("show", "./model").splitlines()[2]
    size = "6 columns" if domain.noun == "row" else "2 x 16 (channels, steps)"
    assert line == f"{domain.nouns:<10}  {size}, float32 or float64, in the data's units"


def test_eval_counts_rows_and_has_no_number_of_images(domain, does):
    out = does("eval", "./model", "x.npy", "--device", "cpu")
    assert f"x.npy, all split, 40 {domain.nouns}, real protocol" in out
    assert "mse" in out
    assert "per standardized value" in out
    assert not [word for word in ("psnr", "ssim", "image", "bits") if word in out]


def test_draw_writes_the_pictures(domain, does):
    out = does("draw", "./model", "--dataset", "x.npy", "-o", "out")
    names = sorted(path.name for path in Path("out").iterdir())
    assert names == ["reconstructions.png", "samples.png", "traversals.png"]
    assert out.count(".png") == 3


def test_encode_takes_them_as_they_are(domain, does):
    assert "40 x 3, float32" in does("encode", "./model", "x.npy", "-o", "z.npy", "--device", "cpu")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("compare", "./model", "digits"), "`zoo eval`"),
        (("compare", "vae-digits-8", "x.npy"), "`zoo eval`"),
        (("eval", "./model", "x.npy", "--protocol", "native"), "`zoo eval`"),
        (("eval", "./model", "x.npy", "--protocol", "gray"), "use 'real'"),
        (("eval", "./model", "digits"), "digits holds 1 x 8 x 8 images; the model takes"),
        (("encode", "./model", "x.npy", "-o", "z.npy", "--flip"), "--flip is for images"),
        (
            ("encode", "./model", "x.npy", "-o", "z.npy", "--protocol", "center-64"),
            "center-64 is for images",
        ),
        (("page", "./model"), "A page shows images"),
        (
            ("compare", "vae-digits-8", "digits", "--extractor", "./model"),
            "An extractor takes images; ./model takes",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_for_images_alone_names_the_domain(domain, fails, words, why):
    said = fails(*words)
    assert why in said
    assert domain.nouns in said
    assert not Path("z.npy").exists()
