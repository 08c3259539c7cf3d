"""The card: what the Hub reads of it, what a person does, and that it says what the folder says."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard

import zoo
from zoo.cards import MARKER
from zoo.cards.card import render_card, source_in
from zoo.cards.record import record_of, record_text
from zoo.evaluation.figures import draw_all
from zoo.folder import store
from zoo.registry import families, published
from zoo.specs.metrics import Metrics
from zoo.specs.record import Seeds, Spread
from zoo.training.recipe import load_recipe


@pytest.fixture
def folder(tmp_path) -> Path:
    """A copy of a published model's folder."""
    shutil.copytree(published.line("vae-mnist-20").folder, tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("name", published.list_models())
def test_the_hub_reads_the_front_matter(name):
    data = ModelCard(render_card(zoo.info(name))).data
    variational = families.get(zoo.info(name).family).is_variational
    task = "unconditional-image-generation" if variational else "image-feature-extraction"
    task = task if zoo.info(name).spec.domain.is_image else "feature-extraction"
    assert (data.library_name, data.license, data.pipeline_tag) == (
        "autoencoder-zoo",
        "cc-by-nc-4.0" if name == "dae-bsd" else "apache-2.0",
        task,
    )
    assert data.tags[:1] == ["autoencoder"]
    datasets = {"mnist": ["ylecun/mnist"], "fashion-mnist": ["zalando-datasets/fashion_mnist"]}
    assert data.datasets == datasets.get(load_recipe(name).data.dataset)


def test_a_denoisers_card_says_what_it_restores():
    card = render_card(zoo.info("dae-bsd"))
    assert "corrupted (gaussian, sigma 0 to 0.2157; pixels in [0, 1], not clipped)" in card
    assert "clean = zoo.denoise(model, noisy)" in card
    assert "as the nearest thing it has seen" not in card
    assert "zoo.denoise" not in render_card(zoo.info("vae-mnist-20"))


def test_two_protocols_share_no_entry_of_the_index_of_results():
    results = ModelCard(render_card(zoo.info("vae-mnist-20"))).data.eval_results
    entries = {}
    for one in results:
        entries.setdefault(one.dataset_config, {})[one.metric_type] = one.metric_value
    record = zoo.info("vae-mnist-20").metrics
    assert record is not None
    for measured in record.measured:
        entry = entries[measured.protocol]
        assert entry["reconstruction"] == measured.reconstruction
    assert "neg_elbo" in entries["binarized"]
    assert "bce_plus_kl" in entries["gray"]
    assert "neg_elbo" not in entries["gray"]


def test_a_number_says_its_k_where_the_hub_shows_it():
    results = ModelCard(render_card(zoo.info("vae-mnist-20"))).data.eval_results
    [nll] = [one.metric_name for one in results if one.metric_type == "nll"]
    assert nll == "nll, nats (K = 1000, first 10,000 images)"


def test_it_says_how_to_load_it_from_where_it_is(folder):
    info = zoo.info(folder)
    assert 'zoo.load("vae-mnist-20")' in render_card(info)  # these are the published weights
    card = render_card(info, "acme/mine")
    assert 'zoo.load("acme/mine")' in card
    assert "zoo verify acme/mine --full" in card
    assert source_in(card) == "acme/mine"
    assert source_in(render_card(info)) is None


def test_other_weights_of_the_same_recipe_are_not_loaded_by_the_published_name(folder):
    model = zoo.load(folder)
    next(model.parameters()).data[0] += 1
    zoo.save(model, folder)
    assert 'zoo.load("./folder")' in render_card(zoo.info(folder))


def test_a_license_in_the_front_matter_is_kept(folder):
    card = folder / "README.md"
    card.write_text(card.read_text().replace("license: apache-2.0", "license: mit"))
    info = zoo.info(folder)
    assert info.license == "mit"
    assert ModelCard(render_card(info)).data.license == "mit"
    card.write_text("---\ntags: [a]\n---\nA line\nlicense: gpl\n")
    assert zoo.info(folder).license is None


@pytest.mark.parametrize(
    ("ending", "said"),
    [
        ({}, "OMP_NUM_THREADS=1 zoo train vae-mnist-20  # seed 0; the same bits on one thread"),
        ({"threads": 4}, "OMP_NUM_THREADS=4 zoo train vae-mnist-20  # seed 0; the same bits on 4 threads"),
        ({"threads": 4, "device": "A GPU"}, "OMP_NUM_THREADS=1 zoo train vae-mnist-20  # seed 0; trained on A GPU"),
    ],
)  # fmt: skip
def test_it_says_what_gives_the_same_bits(folder, ending, said):
    record = zoo.info(folder).metrics
    assert record is not None
    trained = record.training.model_copy(update=ending)
    text = record_text(record.model_copy(update={"training": trained}))
    (folder / "metrics.json").write_text(text)
    assert said in render_card(zoo.info(folder))


def test_pictures_are_shown_from_the_repos_own_files(folder):
    assert "![samples](figures/samples.png)" in render_card(zoo.info(folder))
    (folder / "figures" / "samples.png").unlink()
    assert "samples.png" not in render_card(zoo.info(folder))


def test_every_card_says_whose_it_is():
    assert all(MARKER in render_card(zoo.info(name)) for name in published.list_models())


def test_a_model_without_numbers_has_a_card_that_says_so():
    model = zoo.build("ae", input_shape=(1, 8, 8), latent_dim=2, seed=0)
    zoo.save(model, "model")
    card = Path("model/README.md").read_text()
    assert "Nothing was measured of these weights." in card
    assert ModelCard(card).data.pipeline_tag == "image-feature-extraction"


MEASURED_ALIKE = (
    "dataset",
    "split",
    "protocol",
    "protocol_id",
    "reconstruction_id",
    "n_examples",
    "dataset_sha256",
    "seed",
)


def test_a_spread_over_seeds_stands_beside_the_numbers_that_were_measured_alike(folder):
    record = zoo.info(folder).metrics
    assert record is not None
    binarized, gray = record.measured
    assert "seeds" not in render_card(zoo.info(folder))
    spread = {"neg_elbo": Spread(mean=90.61, std=0.082, se=0.24)}
    seeds = Seeds(
        **{k: getattr(binarized, k) for k in MEASURED_ALIKE},
        nll_samples=5,
        nll_n_examples=binarized.nll_n_examples,
        seeds=(0, 1, 2),
        metrics=spread | {"nll": Spread(mean=1.0, std=0.1)},
    )
    noted = record.model_copy(update={"seeds": (seeds,)})
    (folder / "metrics.json").write_text(record_text(noted))
    assert zoo.info(folder).metrics == noted
    own, _, others = render_card(zoo.info(folder)).partition("gray protocol")
    assert "| metric | value | unit | 3 seeds |" in own
    assert "| nats | 90.610 ± 0.082 |" in own
    [nll] = [line for line in own.splitlines() if line.startswith("| `nll`")]
    assert nll.endswith("10,000 images) |  |")  # another K: no spread
    assert "3 seeds" not in others
    assert "Nothing was chosen among them." in others
    assert gray.neg_elbo is None


@pytest.mark.parametrize(
    ("family", "shape", "told"),
    [
        (
            "vae",
            (6,),
            [
                "turns a row of 6 numbers into 3 numbers and back",
                "x: (N, 6), float32 or float64, in the data's units",
                "Nats are per row",
                "where the variance of each column is 1. It bounds -log p(x) of such a row by 9 nats",
                "Rows of another size than 6 columns are refused, as are missing values (NaN)",
                "Samples are expected rows",
                "Rows, a bar for each column",
            ],
        ),
        (
            "ae",
            (2, 16),
            [
                "turns a series of 2 x 16 (channels, steps) into 3 numbers and back",
                "x: (N, 2, 16), float32 or float64, in the data's units",
                "where the variance of each channel is 1",
                "random codes do not give series",
                "over them their reconstructions",
            ],
        ),
    ],
)
def test_a_card_of_rows_or_series_does_not_speak_of_images(family, shape, told, tmp_path):
    model = zoo.build(family, input_shape=shape, latent_dim=3, body={"kind": "mlp"}, seed=0)
    values = torch.randn(20, *shape, dtype=torch.float64)
    variational = isinstance(model, zoo.VariationalAutoencoder)
    measured = Metrics(
        dataset="table.npy",
        domain=model.spec.domain.kind,
        split="test",
        protocol="real",
        n_examples=20,
        dataset_sha256="0" * 64,
        seed=0,
        mse=0.25,
        **({"neg_elbo": 9.0} if variational else {}),
    )
    store.save_folder(
        model,
        tmp_path / "model",
        metrics=record_of([measured]),
        figures=draw_all(model, values),
        card=render_card,
    )
    card = (tmp_path / "model/README.md").read_text()
    for sentence in told:
        assert sentence in card
    found = re.findall(r"\b(?:images?|pixels?|psnr|ssim|dB|levels?)\b", card, re.IGNORECASE)
    assert not found
    data = ModelCard(card).data
    assert data.pipeline_tag == "feature-extraction"
    assert ("tabular" in data.tags, "time-series" in data.tags) == (shape == (6,), shape != (6,))
