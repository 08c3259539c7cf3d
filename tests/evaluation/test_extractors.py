"""LPIPS and FID's network from files of a declared sha256, and what none of them is called."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace

import pytest
import torch
from backbones import backbone, declared
from safetensors.torch import save_file
from torchmetrics.functional.image.lpips import _LPIPS

import zoo
from zoo.errors import InputError, IntegrityError, MismatchError, OfflineError
from zoo.evaluation import extractors
from zoo.evaluation.extractors import Codes, find_extractor
from zoo.hub.find import Access

X, Y = torch.rand(2, 2, 3, 64, 48, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def alex(tmp_path_factory):
    return backbone("lpips-alex", tmp_path_factory.mktemp("weights"))[0]


@pytest.mark.parametrize("name", ["lpips-alex", "lpips-squeeze"])  # VGG-16's file is large
def test_lpips_from_a_file_is_torchmetrics_own(name, tmp_path, monkeypatch):
    path, network = backbone(name, tmp_path)
    found = find_extractor(f"{name}={declared(path)}")
    kind = "torchmetrics.functional.image.lpips._get_tv_model_features"
    monkeypatch.setattr(kind, lambda *_: network)
    expected = _LPIPS(net=name.partition("-")[2])(X, Y, normalize=True).flatten()
    assert torch.equal(found.distance(X, Y), expected)
    assert torch.equal(found.distance(X, X), torch.zeros(2))
    assert found.features(X) is None
    assert (found.kind, found.name) == ("lpips", f"{name} (declared)")
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_fids_network_is_torch_fidelitys(tmp_path):
    fidelity = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    network = object.__new__(fidelity.FeatureExtractorInceptionV3)
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        torch.manual_seed(0)
        patch.setattr(fidelity, "load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(torch.nn.Module, "load_state_dict", lambda *_: None)
        network.__init__("inception-v3-compat", ["2048"])
    path = tmp_path / "inception.safetensors"
    save_file(network.state_dict(), path)
    found = find_extractor(f"inception={declared(path)}")
    assert torch.equal(found.features(X), network((X * 255).round().to(torch.uint8))[0])
    assert found.features(X).shape == (2, 2048)


@pytest.mark.parametrize(
    ("source", "error", "says"),
    [
        ("{alex}", InputError, "Of a file the network is said, and its sha256"),
        ("{alex}@{sha}", InputError, "such as lpips-vgg=FILE@SHA256"),
        ("lpips-vg={alex}@{sha}", InputError, "Did you mean 'lpips-vgg'?"),
        ("lpips-alex={alex}", InputError, "declare the file's sha256"),
        ("lpips-alex={alex}@abc", InputError, "declare the file's sha256"),
        ("lpips-alex={alex}.pth@{sha}", InputError, "is not a .safetensors file"),
        ("lpips-alex={alex}@{other}", IntegrityError, "not 000000000000..., as was declared"),
        ("lpips-squeeze={alex}@{sha}", MismatchError, "not the weights of lpips-squeeze's backbone"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_gets_a_sentence(source, error, says, alex):
    sha = hashlib.sha256(alex.read_bytes()).hexdigest()
    with pytest.raises(error, match=re.escape(says)):
        find_extractor(source.format(alex=alex, sha=sha, other="0" * 64))


@pytest.mark.parametrize("name", extractors.PUBLISHED)
def test_weights_that_cannot_be_fetched_get_a_sentence(name, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError("no route")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(OfflineError, match=rf"weights of {name} cannot be fetched \(no route\)"):
        find_extractor(name)
    address = extractors.PUBLISHED[name].address
    (tmp_path / "checkpoints" / address.rpartition("/")[2]).write_bytes(b"something else")
    with pytest.raises(IntegrityError, match="delete it"):
        find_extractor(name)


def test_a_forged_file_with_the_first_digits_of_the_hash_is_refused(tmp_path, monkeypatch):
    data = b"forged"
    real = hashlib.sha256(data).hexdigest()
    forged = replace(extractors.PUBLISHED["lpips-alex"], sha256=real[:8] + "0" * 56)
    monkeypatch.setitem(extractors.PUBLISHED, "lpips-alex", forged)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "alexnet-owt-7be5be79.pth").write_bytes(data)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was opened"))
    with pytest.raises(IntegrityError, match="delete it"):
        find_extractor("lpips-alex")


@pytest.mark.parametrize("name", extractors.PUBLISHED)
def test_the_whole_hash_of_published_weights_is_pinned(name):
    network = extractors.PUBLISHED[name]
    assert re.fullmatch("[0-9a-f]{64}", network.sha256)
    assert network.address.endswith(f"-{network.sha256[:8]}.pth")


def test_offline_nothing_is_fetched(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *_, **__: pytest.fail("fetched"))
    with pytest.raises(OfflineError, match="with offline=True nothing is fetched"):
        find_extractor("lpips-vgg", Access(offline=True))


def test_images_that_an_extractor_does_not_take(alex):
    lpips = find_extractor(f"lpips-alex={declared(alex)}")
    with pytest.raises(InputError, match="takes images in color, 32 pixels or more"):
        lpips.distance(X[..., :20], Y[..., :20])
    with pytest.raises(InputError, match="got 1 x 64 x 48"):
        lpips.distance(X[:, :1], Y[:, :1])
    codes = Codes(zoo.build("ae", input_shape=(3, 8, 8), latent_dim=5, seed=0).eval())
    assert codes.features(torch.rand(2, 3, 8, 8)).shape == (2, 5)
    with pytest.raises(InputError, match=r"takes images of 3 x 8 x 8, not 3 x 64 x 48: .*center-8"):
        codes.features(X)
