"""A model as a PyTorch module: its modes, its device and dtype, a training loop by hand, and DDP."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

import zoo
from zoo.errors import InputError
from zoo.families.ae.model import AE
from zoo.runtime.devices import bf16_cost

FAMILIES = ["ae", "vae", "vq-vae"]
SHAPES = {"input_shape": (1, 8, 8), "latent_dim": 3}


def small(family: str) -> zoo.Autoencoder:
    return zoo.build(family, **SHAPES, seed=0)


def test_a_built_model_is_in_train_mode_and_a_loaded_one_in_eval_mode(tmp_path):
    model = small("vae")
    assert model.training
    zoo.save(model, tmp_path / "model")
    assert model.training
    assert not zoo.load(tmp_path / "model").training


@pytest.mark.parametrize("family", FAMILIES)
def test_called_in_train_mode_it_gives_its_loss_and_in_eval_mode_it_reconstructs(family):
    model, x = small(family), torch.rand(4, 1, 8, 8)
    assert isinstance(model(x), zoo.Loss)
    model.eval()
    assert torch.equal(model(x), model.decode(model.encode(x)))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_tutorials_error_between_output_and_input_does_not_train_it_in_silence(family):
    model, x = small(family), torch.rand(4, 1, 8, 8)
    with pytest.raises((TypeError, AttributeError)):
        torch.nn.functional.mse_loss(model(x), x).backward()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_training_loop_by_hand_lowers_the_loss(family):
    model = small(family)
    x = torch.rand(64, 1, 8, 8, generator=torch.Generator().manual_seed(0)).round()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    totals = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = model.loss(x).total
        loss.backward()
        optimizer.step()
        totals.append(loss.item())
    assert totals[-1] < totals[0] - 0.2


@pytest.mark.parametrize("family", ["ae", "conv-ae", "vae"])
def test_torch_exports_it_as_it_is(family):
    model, x = small(family).eval(), torch.rand(4, 1, 8, 8)
    program = torch.export.export(model, (x,))
    torch.testing.assert_close(program.module()(x), model(x))


def test_the_tensors_of_an_ae_keep_their_names_within_another_module():
    one, two = (torch.nn.ModuleDict({"inner": zoo.build("ae", **SHAPES)}) for _ in range(2))
    state = one.state_dict()
    assert {"inner.code.weight", "inner.code.bias"} <= set(state)
    two.load_state_dict(state)
    assert torch.equal(two["inner"].to_code.weight, one["inner"].to_code.weight)


@pytest.mark.parametrize("family", ["ae", "conv-ae", "vae"])
def test_it_is_called_as_a_function_of_its_state_dict(family):
    model, x = small(family).eval(), torch.rand(4, 1, 8, 8)
    other = zoo.build(family, **SHAPES, seed=1).eval()
    found = torch.func.functional_call(model, other.state_dict(), (x,))
    assert torch.equal(found, other(x))
    assert not torch.equal(found, model(x))


@pytest.mark.parametrize("family", ["ae", "vae", "vq-vae", "hierarchical-vae"])
def test_it_is_mapped_by_vmap_and_differentiated_by_jacrev(family):
    model, x = small(family).eval(), torch.rand(4, 1, 8, 8)
    z = model.encode(x)
    torch.testing.assert_close(torch.func.vmap(model.encode)(x[:, None])[:, 0], z)
    torch.testing.assert_close(torch.func.vmap(model.decode)(z), model.decode(z))
    back, forth = (way(model.decode)(z[0]) for way in (torch.func.jacrev, torch.func.jacfwd))
    assert back.shape == (1, 8, 8, *model.latent_shape)
    torch.testing.assert_close(back, forth)
    with pytest.raises(InputError):
        torch.func.vmap(model.encode)(
            x
        )  # an image without its N: the shape is checked all the same


@pytest.mark.parametrize("family", ["ae", "vae", "vq-vae", "hierarchical-vae"])
def test_every_submodule_that_is_called_gives_tensors(family):
    """Summaries, profilers and hooks of other libraries take no distributions."""
    given = []
    model = small(family).eval()
    for part in model.modules():
        part.register_forward_hook(lambda part, inputs, output: given.append(output))
    model(torch.rand(2, 1, 8, 8))
    assert len(given) > 5
    assert {type(output) for output in given} <= {torch.Tensor, tuple, list}


@pytest.mark.parametrize("name", ["sample", "elbo", "log_likelihood", "posterior", "prior"])
@pytest.mark.parametrize("family", ["ae", "vq-vae"])
def test_what_a_prior_is_needed_for_says_so(family, name):
    model = small(family)
    assert not hasattr(model, name)
    with pytest.raises(AttributeError, match=f"has no '{name}': it is not variational"):
        getattr(model, name)
    with pytest.raises(AttributeError, match="object has no attribute 'smaple'"):
        model.smaple  # noqa: B018


def test_it_says_its_device_and_its_dtype(tmp_path):
    model = small("vae")
    assert (model.device, model.dtype) == (torch.device("cpu"), torch.float32)
    zoo.save(model, tmp_path / "model")
    for name in ("bfloat16", torch.bfloat16):
        assert zoo.load(tmp_path / "model", dtype=name).dtype == torch.bfloat16


def test_from_pretrained_gives_a_model_of_its_class_alone():
    assert zoo.VariationalAutoencoder.from_pretrained("vae-digits-8", dtype="bfloat16").info
    with pytest.raises(InputError, match="'vae-digits-8' is of class VAE, not AE; "):
        AE.from_pretrained("vae-digits-8")


@pytest.mark.parametrize("dtype", ["bf16", "int8", torch.int8, 16, "Tensor"])
def test_what_is_no_floating_dtype_is_refused_with_those_there_are(dtype):
    with pytest.raises(
        InputError, match="dtype must be one of float16, bfloat16, float32, float64"
    ):
        zoo.load("vae-digits-8", dtype=dtype)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_step_on_a_gpu_waits_for_no_value(family):
    """A look at a value of a fake tensor raises, on whatever device it pretends to be."""
    with FakeTensorMode(), torch.device("cuda"):
        model, x = small(family), torch.rand(4, 1, 8, 8)
        assert model.loss(x).total.device.type == "cuda"
        assert model.decode(model.encode(x)).shape == x.shape
    with FakeTensorMode(), pytest.raises(DataDependentOutputException):
        small(family).loss(torch.rand(4, 1, 8, 8))


def test_a_product_in_bf16_has_a_cost():
    assert 0.01 < bf16_cost(torch.device("cpu")) < 1000


IN_TWO = """
import os, sys, torch, zoo
from torch.nn.parallel import DistributedDataParallel
model = zoo.build("ae", input_shape=(1, 8, 8), latent_dim=3, seed=0)
child = os.fork()
rank = 0 if child else 1
torch.distributed.init_process_group("gloo", "file://" + sys.argv[1], rank=rank, world_size=2)
x = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))
alone = zoo.build(model.spec, seed=0)
alone.loss(x).total.backward()
ddp = DistributedDataParallel(model)
ddp(x[4 * rank : 4 * rank + 4]).total.backward()
for ours, whole in zip(model.parameters(), alone.parameters(), strict=True):
    torch.testing.assert_close(ours.grad, whole.grad, rtol=1e-3, atol=1e-4)
torch.distributed.destroy_process_group()
assert rank == 1 or os.waitpid(child, 0)[1] == 0
print("the same gradients", rank)
"""


@pytest.mark.slow
def test_under_ddp_two_processes_have_the_gradients_of_the_whole_batch(tmp_path):
    command = [sys.executable, "-c", IN_TWO, str(tmp_path / "rendezvous")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == ["the same gradients 0", "the same gradients 1"]
