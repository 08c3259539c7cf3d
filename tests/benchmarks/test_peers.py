"""The parts of `benchmarks/peers.py` that need neither the peers nor MNIST."""

from __future__ import annotations

import json
import math
import pickle
import sys
from pathlib import Path

import pytest
import torch
from arms import ATTEMPTED, BARE, LOADED, PYTHAE, TRAINED, ZOO
from arms.arm import SAMPLES
from arms.bare import Bare
from arms.bench import Measured, Training
from arms.damage import DAMAGES, LAYOUTS, Runs, flip_byte, misspell, pickle_weights
from arms.environment import missing, pins, prepare_environment
from arms.machine import describe_machine
from arms.plain import PlainVAE, copy_weights, judge
from arms.report import Setting, outcome, report, table
from arms.watch import looks
from arms.with_zoo import OwnRecipe, Zoo, differences, to_plain, to_zoo

import zoo
from zoo.data import load_examples
from zoo.evaluation.evaluate import evaluate_model


def seeded_plain() -> PlainVAE:
    torch.manual_seed(0)
    return PlainVAE()


def test_the_judge_of_a_coin_and_of_a_known_posterior():
    pixels = torch.zeros(600, 1, 28, 28, dtype=torch.uint8)

    def encode(x):
        return torch.ones(len(x), 20), torch.zeros(len(x), 20)

    nats, error = judge(encode, lambda z: torch.full((len(z), 784), 0.5), pixels)
    assert nats == pytest.approx(784 * math.log(2) + 20 * 0.5, rel=1e-6)  # KL(N(1, 1) || N(0, 1))
    assert error == pytest.approx(0, abs=1e-6)


def test_the_judge_agrees_with_the_zoos_own_number():
    model = zoo.build(Zoo().recipe(1).spec, seed=0).eval()
    plain = seeded_plain()
    copy_weights(to_plain(model), plain.parameters())
    images = load_examples(torch.randint(0, 256, (3000, 1, 28, 28), dtype=torch.uint8), "test")
    nats, error = judge(plain.encode, lambda z: torch.sigmoid(plain.decode(z)), images.values)
    own = evaluate_model(model, images, protocol="gray").bce_plus_kl
    assert own == pytest.approx(nats, abs=5 * error)  # with other draws


def test_weights_become_the_zoos_and_come_back():
    plain, back = seeded_plain(), PlainVAE()
    model = zoo.build(Zoo().recipe(1).spec, seed=1)
    copy_weights(to_zoo(plain), model.parameters())
    copy_weights(to_plain(model), back.parameters())
    for one, other in zip(plain.parameters(), back.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_same_weights_have_the_same_bound_in_zoo_and_bare_loop(tmp_path):
    plain, x = seeded_plain(), torch.rand(1, 1, 28, 28).round()
    bounds = []
    for number, arm in enumerate((Bare(), Zoo())):
        arm.save(plain, tmp_path / str(number))
        with torch.no_grad():
            bounds.append(arm.bound(arm.load(tmp_path / str(number)))(x))
    assert SAMPLES == 1000
    assert bounds[0] == pytest.approx(bounds[1], abs=1)  # of 540, with draws of their own


def test_the_own_recipe_differs_in_no_setting_of_the_data_and_of_the_network():
    assert not [key for key in differences() if not key.startswith("training.")]
    training = OwnRecipe().recipe(3).training
    assert (training.epochs, training.batch_size, training.precision) == (3, 128, "float32")


def test_a_flipped_byte_is_one_byte(tmp_path):
    (tmp_path / "model.pt").write_bytes(bytes(range(100)))
    flip_byte(LAYOUTS[BARE], tmp_path, tmp_path / "marker")
    after = (tmp_path / "model.pt").read_bytes()
    assert [i for i, byte in enumerate(after) if byte != i] == [51]


def test_a_misspelled_setting_is_one_name(tmp_path):
    (tmp_path / "config.json").write_text('{"spec": {"log_variance_bound": "off"}}')
    misspell(LAYOUTS[ZOO], tmp_path, tmp_path / "marker")
    assert json.loads((tmp_path / "config.json").read_text()) == {
        "spec": {"log_variance_boud": "off"}
    }


def test_the_pickle_runs_where_it_is_opened_and_nowhere_in_the_zoo(tmp_path):
    marker, folder = tmp_path / "marker", tmp_path / "model"
    pickle.loads(pickle.dumps(Runs(marker))).close()
    assert marker.exists()
    marker.unlink()
    Zoo().save(seeded_plain(), folder)
    pickle_weights(LAYOUTS[ZOO], folder, marker)
    with pytest.raises(zoo.WeightsError):
        Zoo().load(folder)
    assert not marker.exists()


def test_models_are_judged_after_their_last_epoch_too():
    assert [list(looks(n)) for n in (1, 2, 5, 20, 30)] == [
        [1],
        [1, 2],
        [1, 5],
        [1, 5, 20],
        [1, 5, 20, 30],
    ]


def test_what_the_environment_lacks_is_pinned():
    wanted = {"torch": "2.14.1", "scikit-learn": "1.9.1", "pythae": "0.1.2"}
    found = {"torch": "2.14.1+cpu", "scikit_learn": "1.9.0"}
    assert missing(wanted, found) == ["scikit-learn==1.9.1", "pythae==0.1.2"]
    assert pins()["pythae"] == "0.1.2"
    assert "+" not in pins()["torch"]


def test_a_folder_that_is_no_environment_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SystemExit, match=r"no virtual environment\. Give another folder"):
        prepare_environment(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_registry_that_cannot_be_reached_is_a_sentence(tmp_path, monkeypatch):
    python = tmp_path / "bin/python"
    python.parent.mkdir()
    python.write_text(
        '#!/bin/sh\n[ "$1" = -c ] && echo "{}" && exit 0\necho no matching distribution >&2\nexit 1\n'
    )
    python.chmod(0o755)
    with pytest.raises(
        SystemExit, match=r"(?s)no matching distribution.*check the network.*--venv"
    ):
        prepare_environment(tmp_path)


def test_a_processor_is_named_with_its_bf16_products(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("model name\t: Some Kind\nflags\t\t: fpu avx512_bf16 sse\n")
    machine = describe_machine(cpuinfo)
    assert (machine["processor"], machine["bf16 products"]) == ("Some Kind", "avx512_bf16")
    cpuinfo.write_text("model name\t: Some Kind\nflags\t\t: fpu sse\n")
    assert describe_machine(cpuinfo)["bf16 products"] == "no"


@pytest.mark.parametrize(
    ("attempt", "said"),
    [
        (None, "-"),
        ({"error": "ValueError: no\n  way", "ran": False}, "refused: ValueError: no way"),
        (
            {"error": "TypeError: a file", "ran": True},
            "**the code ran**, then refused: TypeError: a file",
        ),
        (
            {"weights": [[0.25, -3e30]], "ran": False, "warned": ""},
            "loaded without a word; 1 weight changed, 0.25 to -3e+30",
        ),
        (
            {"weights": [], "ran": False, "warned": "UserWarning: hm"},
            "loaded; all weights right; it said: UserWarning: hm",
        ),
    ],
)
def test_an_attempt_is_told_as_it_went(attempt, said):
    assert outcome(attempt) == said


def test_a_misspelled_setting_that_loads_is_told_with_its_value():
    attempt = {"weights": [], "ran": False, "warned": "", "setting": "mse"}
    assert outcome(attempt, "reconstruction_loss") == (
        "loaded without a word; all weights right; `reconstruction_loss` is 'mse'"
    )


def test_a_table_survives_a_bar_in_a_cell():
    assert table(("a", "b"), [("x|y", "1")]) == "| a | b |\n| --- | --- |\n| x\\|y | 1 |"


def test_the_page_holds_what_was_measured_and_no_path():
    page = report(made_measurement(), made_setting())
    assert "| zoo | 300 | 1.50 | 120.00 | 100.00 | 100.50 | 400 MB |" in page
    assert "zoo / pythae 1.50" in page
    assert "| pythae | 30.0 | 3.00 | 95.000 ± 5.00 | 500 MB |" in page
    assert "`training.ema_decay = 0.999`" in page
    assert str(Path(sys.prefix)) not in page


def made_measurement() -> Measured:
    """Round numbers of every arm."""
    rates = {PYTHAE: 200.0, ZOO: 300.0}
    look = {"nats": 120.0, "se": 0.25, "own": 121.0, "memory": 4e8}
    last = {"nats": 100.0, "se": 0.25, "own": 100.5, "memory": 4e8}
    training = {
        name: Training(
            [1.0] + 3 * [rates.get(name, 250.0)], [{"epoch": 1, **look}, {"epoch": 5, **last}]
        )
        for name in TRAINED
    }
    loading = {name: {"warm": [0.01], "load-once": [3.0], "start": [2.0]} for name in LOADED}
    bounds = {
        name: {
            "seconds": [1.0, 0.03 if name == PYTHAE else 0.01],
            "nats": [90.0, 100.0],
            "memory": 5e8,
        }
        for name in LOADED
    }
    refused = {"error": "Error: no", "ran": False, "warned": ""}
    attempts = {
        damage.what: {
            name: {**refused, "setting": "x"} for name in ATTEMPTED if damage.applies(LAYOUTS[name])
        }
        for damage in DAMAGES
    }
    return Measured(training, loading, attempts, bounds, dict.fromkeys(LOADED, 3e8))


def made_setting() -> Setting:
    return Setting(
        arguments=["--epochs", "5"],
        images=60_000,
        machine={"processor": "Some Kind"},
        versions={"pythae": "0.1.2"},
        zoo_versions={"torch": "2.14.1"},
        differences={"training.ema_decay": 0.999},
    )
