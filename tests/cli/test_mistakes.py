"""The command line's mistakes: a sentence and an exit code, never a traceback."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
import torch

import zoo.training.run  # noqa: F401  # before a test puts something else in the place of what it imports
from zoo.cli import main

# What is nobody's mistake


@pytest.fixture
def sigterm():
    """What a test changes of SIGTERM is put back."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_sigterm_ends_a_verb_as_ctrl_c_does(fails, monkeypatch, sigterm):
    def stopped(*arguments):
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("zoo.training.recipe.load_recipe", stopped)
    assert fails("train", "vae-digits-8", "--dry-run").strip() == "Interrupted."


@pytest.mark.parametrize(
    "failure",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. And so on."),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"
        ),
    ],
)
def test_out_of_memory_is_a_sentence(fails, failure, monkeypatch, sigterm):
    def full(*arguments):
        raise failure

    monkeypatch.setattr("zoo.training.recipe.load_recipe", full)
    said = fails("train", "vae-digits-8", "--dry-run")
    assert said.startswith(f"Error: out of memory: {type(failure).__name__}")
    assert said.endswith(". Try smaller images or a smaller model.\n")


def test_a_mistake_of_the_zoo_keeps_its_traceback(monkeypatch, sigterm):
    def wrong(*arguments):
        raise KeyError("encoder")

    monkeypatch.setattr("zoo.training.recipe.load_recipe", wrong)
    for words in (["--debug"], []):
        with pytest.raises(KeyError, match="encoder"):
            main([*words, "train", "vae-digits-8", "--dry-run"])


# Wrong usage: 2


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["lst"], "No such command 'lst'. Did you mean 'list'?"),
        (["zzz"], "No such command 'zzz'."),
        (["--nope"], "No such option"),
        (["list", "--nope"], "No such option"),
        (["show"], "Missing argument 'NAME'"),
        (["show", "a", "b"], "unexpected extra argument"),
        (["encode", "./model"], "Missing argument 'FILES...'"),
        (["encode", "./model", "a.png"], "Missing option '-o'"),
        (["encode", "./model", "a.png", "-o", "a.txt"], "-o 'a.txt' does not end in .npy"),
        (["train", "vae-digits-8", "epochs"], "'epochs' is not KEY=VALUE, such as epochs=5"),
        (["train", "vae-digits-8", "=5"], "'=5' is not KEY=VALUE"),
        (["train", "vae-digits-8", "--epochs", "5"], "Settings are KEY=VALUE: epochs=..., after"),
        (["train", "vae-digits-8", "--lr=0.1"], "Settings are KEY=VALUE: learning_rate=..., after"),
        (
            ["train", "vae-digits-8", "--model.latent_dim=1"],
            "model.latent_dim=..., after the recipe.",
        ),
        (["train", "vae-digits-8", "--max_epochs=4"], "Settings are KEY=VALUE: epochs=..., after"),
        (["train", "vae-digits-8", "--optimizer.kind=adam"], "optimizer.kind=..., after"),
        (["train", "vae-digits-8", "--resum"], "No such option"),
        (["eval", "./model", "--limit", "many"], "'many' is not a valid integer"),
        (["verify"], "Missing argument 'MODEL...'"),
        (["export"], "Missing argument 'MODEL'"),
        (
            ["export", "./model"],
            "Say what to write: --onnx FOLDER, --torch-export FOLDER, or both.",
        ),
        (["export", "./model", "--onx", "out"], "No such option"),
        (["page"], "Missing argument 'MODEL'"),
        (["page", "./model", "--port", "web"], "'web' is not a valid integer"),
        (["gallery", "--to", "out"], "No such option"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_a_sentence_and_code_2(fails, words, why):
    assert why in fails(*words, code=2)


# What fails: 1


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["show", "vea"], "No model or family named 'vea'. Did you mean 'vae'?"),
        (["show", "./nowhere"], "Folder 'nowhere' does not exist."),
        (["card", "./nowhere"], "Folder 'nowhere' does not exist."),
        (["draw", "./nowhere"], "Folder 'nowhere' does not exist."),
        (["eval", "acme/vae"], "'acme/vae' is not in the cache"),
        (["eval", "./model"], "This model has no recipe: say which dataset"),
        (
            ["eval", "./model", "--dataset", "mnsit"],
            "No dataset named 'mnsit'. Did you mean 'mnist'?",
        ),
        (["eval", "./model", "--dataset", "digits", "--split", "tset"], "Did you mean 'test'?"),
        (
            ["eval", "./model", "--dataset", "digits", "--protocol", "x"],
            "Unknown protocol 'x'. Protocols: binarized",
        ),
        (
            ["eval", "./model", "--dataset", "digits", "--device", "cuda:99"],
            "'cuda:99' is not available",
        ),
        (["eval", "./model", "--dataset", "./text.npy"], "is damaged or not a NumPy file"),
        (
            ["encode", "./model", "nowhere.png", "-o", "a.npy"],
            "The image file 'nowhere.png' does not exist",
        ),
        (["encode", "./model", "text.png", "-o", "a.npy"], "'text.png' cannot be read as an image"),
        (["encode", "./model", "text.npy", "-o", "a.npy"], "is damaged or not a NumPy file"),
        (["train", "nowhere"], "No recipe named 'nowhere'."),
        (["train", "nowhere.toml"], "Cannot open 'nowhere.toml': No such file or directory."),
        (["train", "text.png"], "No recipe named 'text.png'"),
        (
            ["train", "vae-digits-8", "epoch=5"],
            "training.epoch: unknown field. Did you mean",
        ),
        (
            ["train", "vae-digits-8", "epochs=[[["],
            "training.epochs: input should be a valid integer",
        ),
        (["train", "vae-digits-8", "mdel.x=5"], "Did you mean 'model'?"),
        (
            ["train", "vae-digits-8", "--out", "text.png"],
            "'text.png' is a file; a run needs a folder",
        ),
        (["train", "vae-digits-8", "--out", "model"], "'model' is not empty. Choose another --out"),
        (["train", "vae-digits-8", "--out", "empty", "--resume"], "No run to resume"),
        (["train", "vae-digits-8", "--device", "cuda:99"], "'cuda:99' is not available"),
        (["bench", "vae-mnsit-20"], "No model named 'vae-mnsit-20'."),
        (["export", "vae-mnsit-20", "--torch-export", "out"], "Did you mean 'vae-mnist-20'?"),
        (["export", "./model", "--torch-export", "model"], "'model' is not empty. Choose a new or"),
        (["page", "vae-mnsit-20"], "Did you mean 'vae-mnist-20'?"),
        (["page", "./model", "-o", "model"], "which is not part of a page"),
        (["gallery", "-o", "model"], "which is not part of a gallery"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_a_sentence_and_code_1(fails, here, words, why):
    Path("text.png").write_text("hello")
    Path("text.npy").write_text("hello")
    before = sorted(path.name for path in Path().iterdir())
    message = fails(*words)
    assert message.startswith("Error: ")
    assert why in message
    assert sorted(path.name for path in Path().iterdir()) == before


def test_a_recipe_with_many_mistakes_tells_all_of_them(fails):
    Path("wrong.toml").write_text("[modle]\n[training]\nepochs = 0\nseed = -1\n")
    for words in (["train", "wrong.toml"], ["train", "wrong.toml", "--dry-run"]):
        message = fails(*words)
        assert message.startswith("Error: This recipe has 6 problems:\n")
        for where in ("modle: ", "model.family: ", "data.dataset: ", "training.epochs: "):
            assert f"\n  {where}" in message


@pytest.mark.parametrize("verb", ["show", "card", "eval", "draw", "verify"])
def test_a_damaged_model_is_a_sentence_for_every_verb(here, capsys, verb):
    (here / "config.json").write_text("[" * 1000)
    with pytest.raises(SystemExit) as end:
        main([verb, "./model"])
    out, err = capsys.readouterr()
    assert end.value.code == 1
    assert "is not JSON" in out + err
    assert "Traceback" not in out + err


@pytest.mark.parametrize("verb", ["show", "card", "verify"])
def test_nonsense_in_the_metrics_is_a_sentence_for_every_verb(here, capsys, verb):
    (here / "metrics.json").write_text('{"measured": [{"mse": "boom"}]}')
    with pytest.raises(SystemExit) as end:
        main([verb, "./model"])
    out, err = capsys.readouterr()
    assert end.value.code == 1
    assert "measured.0.mse: input should be a valid number, not 'boom'" in out + err


def test_a_flipped_byte_is_a_sentence(fails, here):
    weights = bytearray((here / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (here / "model.safetensors").write_bytes(weights)
    message = fails("eval", "./model", "--dataset", "digits")
    assert "its bytes have changed" in message


def test_debug_shows_the_traceback_wherever_it_stands(capsys):
    for words in (["--debug", "show", "./nowhere"], ["show", "./nowhere", "--debug"]):
        with pytest.raises(SystemExit) as end:
            main(words)
        err = capsys.readouterr().err
        assert end.value.code == 1
        assert "Traceback (most recent call last)" in err
        assert err.endswith("Error: Folder 'nowhere' does not exist.\n")


# Strangers' strings


def test_control_characters_from_the_command_line_are_escaped(fails):
    for word in ("./a\x1b[2Jb", "a\x1b]0;owned\x07", "a\x9bb"):
        message = fails("show", word)
        assert message.replace("\n", "").isprintable()


def test_control_characters_from_a_folder_are_escaped(here, capsys):
    config = json.loads((here / "config.json").read_text())
    config["spec"]["\x1b[2J\nError: all is well"] = 1
    (here / "config.json").write_text(json.dumps(config))
    with pytest.raises(SystemExit):
        main(["show", "./model"])
    err = capsys.readouterr().err
    assert r"\x1b[2J\nError: all is well" in err
    assert err.replace("\n", "").isprintable()


def test_markup_and_control_characters_in_a_card_do_not_act(here, capsys):
    (here / "recipe.toml").write_text('[data]\ndataset = "[red]x\\u001b[2J<b>y"\n')
    for verb in ("show", "card"):
        with pytest.raises(SystemExit) as end:
            main([verb, "./model"])
        out = capsys.readouterr().out
        assert end.value.code in (0, None)
        assert "\x1b" not in out
        assert "red" in out
