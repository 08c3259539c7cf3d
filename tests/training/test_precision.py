"""A precision that the processor only imitates is said, with the override to write."""

from __future__ import annotations

from pathlib import Path

import pytest

import zoo
from zoo.cli import main
from zoo.training import run


@pytest.mark.parametrize(("cost", "said"), [(0.5, False), (9.0, True)])
def test_training_says_at_its_start_what_bf16_costs_here(recipe, monkeypatch, caplog, cost, said):
    monkeypatch.setattr(run, "bf16_cost", lambda device: cost)
    zoo.train(recipe(precision="bf16", epochs=1), out="a", device="cpu")
    lines = [record.getMessage() for record in caplog.records]
    assert any("emulated on this CPU" in line for line in lines) == said
    assert any("9x slower" in line and "precision=float32" in line for line in lines) == said


def test_float32_is_not_measured(recipe, monkeypatch):
    monkeypatch.setattr(run, "bf16_cost", lambda device: pytest.fail("measured"))
    zoo.train(recipe(epochs=1), out="a", device="cpu")


def test_the_reference_of_recipes_says_it(capsys):
    with pytest.raises(SystemExit):
        main(["show", "recipe"])
    text = " ".join(capsys.readouterr().out.split())
    assert "avx512_bf16" in text
    assert "precision=float32" in text


@pytest.fixture
def no_accelerator():
    """A program in which nobody has made an Accelerator yet."""
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


def test_a_training_leaves_the_program_free_to_make_its_own_accelerator(recipe, no_accelerator):
    from accelerate import Accelerator

    zoo.train(recipe(epochs=1, clip_norm=1.0), out="a", device="cpu")
    assert Accelerator(mixed_precision="bf16", cpu=True).mixed_precision == "bf16"


def test_an_accelerator_of_the_programs_own_changes_no_bit_of_a_training(recipe, no_accelerator):
    from accelerate import Accelerator

    zoo.train(recipe(epochs=1), out="a", device="cpu")
    Accelerator(mixed_precision="bf16", cpu=True, gradient_accumulation_steps=3)
    zoo.train(recipe(epochs=1), out="b", device="cpu")
    one, two = (Path(run, "model/model.safetensors").read_bytes() for run in ("a", "b"))
    assert one == two
