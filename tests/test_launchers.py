"""Processes: what counts as a launcher, and what those of one do together."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from launched import run

import zoo
from zoo.cli import main
from zoo.runtime import processes

TOGETHER = """
import json, os, sys
from pathlib import Path

import torch
import zoo
from zoo.runtime import processes
from zoo.runtime.devices import find_rank_device
from zoo.families.ae.model import AE

RANK = int(os.environ["RANK"])
SAID = {}


def says(what, make):
    try:
        SAID[what] = make()
    except Exception as wrong:
        SAID[what] = f"{type(wrong).__name__}: {wrong}"


class FickleSpec(AE.Spec):
    pass


@zoo.register("fickle")
class Fickle(AE):
    '''An autoencoder with a parameter that the second process's loss alone depends on.'''

    Spec = FickleSpec

    def __init__(self, spec):
        super().__init__(spec)
        self.rare = torch.nn.Parameter(torch.ones(3))

    def _loss(self, batch, noise):
        apart = -self._likelihood(self._encode(batch.input)).log_prob(batch.target)
        return zoo.Loss({"reconstruction": apart + self.rare.sum() if RANK == 1 else apart})


@zoo.register("drifting")
class Drifting(Fickle):
    '''One whose weights each process changes in its own way, after the first step.'''

    steps = 0

    def _loss(self, batch, noise):
        type(self).steps += 1
        if self.steps > 1:
            self.rare.data += RANK
        return super()._loss(batch, noise)


def trained(family):
    recipe = {
        "model": {"family": family, "input_shape": [1, 8, 8], "latent_dim": 3},
        "data": {"dataset": "digits", "protocol": "gray", "fit": "train"},
        "training": {"epochs": 1, "optimizer": {"kind": "adamw", "weight_decay": 1.0}},
    }
    return zoo.train(recipe, out=family, device="cpu").model.rare.tolist()


def fails(rank, wrong):
    def make():
        if RANK == rank:
            raise wrong
        return RANK

    return make


if __name__ == "__main__":
    before = dict(os.environ)
    zoo.load("vae-digits-8", device="cpu")
    SAID["a load leaves"] = dict(os.environ) == before and not torch.distributed.is_initialized()
    says("cuda", lambda: str(find_rank_device("cuda")))
    SAID["connected"] = torch.distributed.is_initialized()
    says("auto", lambda: str(find_rank_device("auto")))
    SAID["backend"] = torch.distributed.get_backend()
    says("from_first", lambda: processes.from_first(fails(0, KeyError("x"))))
    says("from_first, ours", lambda: processes.from_first(fails(0, zoo.DataError("no images"))))
    says("from_first, well", lambda: processes.from_first(lambda: RANK))
    says("first_here", lambda: processes.first_here(fails(0, KeyError("x"))))
    says("rare", lambda: trained("fickle"))
    says("drifting", lambda: trained("drifting"))
    Path(f"said-{RANK}.json").write_text(json.dumps(SAID))
    processes.leave(0)
"""


@pytest.fixture(scope="module")
def together(tmp_path_factory) -> list[dict]:
    """What each of two processes of one launcher said."""
    folder, before = tmp_path_factory.mktemp("together"), Path.cwd()
    os.chdir(folder)
    try:
        Path("together.py").write_text(TOGETHER)
        code, _, err = run(2, "together.py")
    finally:
        os.chdir(before)
    assert code == 0, err
    return [json.loads((folder / f"said-{rank}.json").read_text()) for rank in range(2)]


def test_a_load_under_a_launcher_changes_nothing_for_the_program(together):
    assert [said["a load leaves"] for said in together] == [True, True]


def test_a_gpu_that_is_not_there_is_said_under_a_launcher_too(together):
    for said in together:
        assert said["cuda"].startswith("DeviceError: The device 'cuda' is not available")
        assert not said["connected"]


def test_without_gpus_processes_are_connected_by_gloo(together):
    assert [(said["auto"], said["backend"]) for said in together] == [("cpu", "gloo")] * 2


def test_what_fails_in_the_first_process_fails_in_all(together):
    first, second = ([said["from_first"], said["first_here"]] for said in together)
    assert first == ["KeyError: 'x'"] * 2
    assert second == ["ZooError: Process 0 failed: KeyError: 'x'"] * 2
    assert [said["from_first, ours"] for said in together] == ["DataError: no images"] * 2
    assert [said["from_first, well"] for said in together] == [0, 0]


def test_a_parameter_that_one_process_uses_is_trained_alike_in_all(together):
    first, second = (said["rare"] for said in together)
    assert first == second
    assert first[0] < 1


def test_weights_that_diverge_are_refused(together):
    for said in together:
        assert said["drifting"].startswith(
            "TrainingError: The processes' weights have diverged: rare."
        )


POD = {"WORLD_SIZE": "4", "RANK": "2", "MASTER_ADDR": "10.0.0.7", "MASTER_PORT": "23456"}
"""What a cluster tells each of its pods, with no launcher in them."""


@pytest.fixture
def pod(monkeypatch):
    for name, value in POD.items():
        monkeypatch.setenv(name, value)


def test_a_pod_that_counts_processes_lists_shows_and_encodes(pod, capsys):
    assert (processes.count(), processes.index()) == (1, 0)
    for words, said in {
        ("list",): "vae-digits-8",
        ("show", "vae-digits-8"): "vae-digits-8",
        ("encode", "vae-digits-8", "digits", "-o", "codes.npy"): "1,797 x 8",
    }.items():
        with pytest.raises(SystemExit) as end:
            main(list(words))
        assert not end.value.code
        assert said in capsys.readouterr().out


def test_a_pod_trains_alone_and_says_so(pod, recipe, caplog):
    zoo.train(recipe(epochs=1), out="a", device="cpu")
    assert any(
        "WORLD_SIZE is 4, but no launcher started this process (LOCAL_RANK is not set): it trains "
        "alone, on all examples." in record.message
        for record in caplog.records
    )


@pytest.mark.parametrize("words", [("list",), ("show", "vae-digits-8")])
def test_what_is_not_shared_is_printed_by_every_process(words, as_rank, capsys):
    as_rank(4, 2)
    with pytest.raises(SystemExit):
        main(list(words))
    assert "vae-digits-8" in capsys.readouterr().out
