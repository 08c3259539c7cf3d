"""Where a family comes from: what is saved, and what is said where that is not what is here."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator

import pytest
import torch
from broken import GOOD
from packages import Package

import zoo
from zoo.errors import InputError, PluginError, SpecError, UnknownNameError
from zoo.families.vae.model import VAE
from zoo.registry import families

SHAPE = {"input_shape": (1, 8, 8), "latent_dim": 3}


def good(name: str = "acme-good", version: str = "0.3", code: str = GOOD) -> Package:
    module = name.replace("-", "_")
    return Package(name, version, {f"{module}.py": code}, {"good": f"{module}:Good"})


@pytest.fixture
def saved(installed, tmp_path):
    """`saved(**provider)`: the folder of a model of acme-good 0.3, its provider changed."""
    installed(good())
    zoo.save(zoo.build("good", input_shape=(1, 8, 8), seed=0), tmp_path / "model")

    def change(**provider):
        path = tmp_path / "model" / "config.json"
        config = json.loads(path.read_text())
        config["provider"] = {**config["provider"], **provider} if provider else None
        path.write_text(json.dumps(config))
        return tmp_path / "model"

    return change


def test_a_saved_model_names_the_package_and_its_version(saved):
    config = json.loads((saved(version="0.3") / "config.json").read_text())
    assert config["provider"] == {"distribution": "acme-good", "version": "0.3"}
    assert zoo.info("./model").provider.version == "0.3"


def test_the_same_or_a_newer_package_says_nothing(saved, caplog):
    for version in ("0.3", "0.2", "0.3.0", "0.3rc1", "version"):
        assert zoo.load(saved(version=version)).info.family == "good"
    assert caplog.messages == []


def test_an_older_package_says_so_and_goes_on(saved, caplog):
    with caplog.at_level(logging.WARNING):
        model = zoo.load(saved(version="0.10"))
    assert model.encode(torch.rand(1, 1, 8, 8)).shape == (1, 3)
    [said] = caplog.messages
    assert said.endswith(
        "It was written by acme-good 0.10; the installed 0.3 may be too old for it. pip install -U acme-good"
    )


def test_an_older_package_says_so_where_the_spec_is_not_valid(saved):
    folder = saved(version="0.10")
    config = json.loads((folder / "config.json").read_text())
    config["spec"]["depth"] = 3
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(SpecError) as caught:
        zoo.load(folder)
    assert "depth: unknown field" in str(caught.value)
    assert "written by acme-good 0.10; the installed 0.3" in str(caught.value)


def test_another_package_with_that_family_is_said(saved, caplog):
    with caplog.at_level(logging.WARNING):
        zoo.load(saved(distribution="other-good", version="1.0"))
    assert (
        "Its config.json says that family 'good' comes from other-good 1.0; here it comes from acme-good 0.3."
        in caplog.text
    )


def test_a_family_of_a_package_is_not_the_zoos_because_a_folder_says_so(saved, caplog):
    with caplog.at_level(logging.WARNING):
        zoo.load(saved(distribution="Autoencoder_Zoo", version="99"))
    assert "comes from Autoencoder_Zoo 99; here it comes from acme-good 0.3." in caplog.text
    assert "pip" not in caplog.text


def test_a_strangers_recipe_imports_no_family(saved, installed):
    """What a folder's recipe.toml names is not its model's family."""
    installed(Package("bomb", "1", {"bomb.py": "raise SystemExit"}, {"bomb": "bomb:Bomb"}))
    folder = saved(version="0.3")
    recipe = '[model]\nfamily = "bomb"\n[data]\ndataset = "digits"\nprotocol = "gray"\n'
    (folder / "recipe.toml").write_text(recipe)
    assert zoo.evaluate(folder, limit=3).dataset == "digits"
    assert "bomb" not in sys.modules


def test_names_of_distributions_are_compared_as_indexes_do(saved, caplog):
    zoo.load(saved(distribution="Acme_Good"))
    assert caplog.messages == []


def test_without_the_package_its_name_is_told_and_never_more(tmp_path, saved, monkeypatch):
    folder = saved(version="0.3")
    monkeypatch.undo()  # acme-good is gone
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PluginError) as caught:
        zoo.load(folder)
    assert str(caught.value) == (
        "This folder says that family 'good' comes from the package 'acme-good', which is not "
        "installed. The zoo does not know it: review it before you install it."
    )


def test_a_registered_family_is_saved_without_provider_and_loading_elsewhere_says_so(tmp_path):
    scope: dict = {}
    exec(GOOD, scope)
    zoo.register("at-home")(scope["Good"])
    try:
        zoo.save(zoo.build("at-home", input_shape=(1, 8, 8)), tmp_path / "model")
        assert zoo.load(tmp_path / "model").info.provider is None
    finally:
        del families._registered["at-home"]
    with pytest.raises(UnknownNameError) as caught:
        zoo.load(tmp_path / "model")
    assert str(caught.value) == (
        "This folder was saved by a program that registered family 'at-home' itself, and no package "
        "provides it: run the code with @zoo.register first, or ask its author."
    )


def cell(source: str = GOOD) -> type[zoo.Autoencoder]:
    """The class that a notebook's cell defines, a new one every time."""
    scope = {"__name__": "__main__"}
    exec(source, scope)
    return scope["Good"]


@pytest.fixture
def registered() -> Iterator[None]:
    """Forgets the families that a test registers."""
    before = {*families._registered}
    yield
    for name in families._registered.keys() - before:
        del families._registered[name]


def test_running_the_cell_again_replaces_the_class_and_another_is_refused(registered):
    earlier = zoo.register("cell")(cell())
    again = zoo.register("cell")(cell())
    assert families.get("cell").cls is again
    model = earlier(earlier.Spec(input_shape=(1, 8, 8)))  # an earlier model is saved all the same
    zoo.save(model.eval(), "earlier")
    assert torch.equal(zoo.load("./earlier").weight, model.weight)
    other = type("Other", (again,), {})
    with pytest.raises(PluginError, match=r"'cell' is taken by __main__\.Good"):
        zoo.register("cell")(other)
    with pytest.raises(PluginError, match="'vae' is taken by the zoo"):
        zoo.register("vae")(again)


def test_an_edited_cell_under_another_name_is_another_family(registered):
    first = zoo.register("net-v1")(cell())
    second = zoo.register("net-v2")(
        cell(GOOD.replace("return x.flatten(1) @", "return -x.flatten(1) @"))
    )
    x = torch.rand(2, 1, 8, 8)
    for name, cls in (("net-v1", first), ("net-v2", second)):
        model = zoo.build(name, input_shape=(1, 8, 8), seed=0).eval()
        assert type(model) is cls
        zoo.save(model, name)
        again = zoo.load(f"./{name}")
        assert (type(again), again.info.family) == (cls, name)
        assert torch.equal(again.encode(x), model.encode(x))


def test_a_model_whose_cell_was_edited_is_not_saved_under_its_name(registered):
    old = zoo.register("cell")(cell())
    model = old(old.Spec(input_shape=(1, 8, 8))).eval()
    zoo.register("cell")(cell(GOOD.replace("return x.flatten(1) @", "return -x.flatten(1) @")))
    with pytest.raises(PluginError, match="'cell' was registered again after this model was built"):
        zoo.save(model, "old")
    new = zoo.build("cell", input_shape=(1, 8, 8))
    new.load_state_dict(model.state_dict())
    zoo.save(new, "new")
    assert torch.equal(zoo.load("./new").weight, model.weight)


def test_two_classes_from_one_factory_are_two_families(registered):
    def made(name, sign):
        class Net(cell()):
            def _encode(self, x):
                return sign * super()._encode(x)

        return zoo.register(name)(Net)

    nets = {"plus": made("plus", 1), "minus": made("minus", -1)}
    for name, cls in nets.items():
        model = cls(cls.Spec(input_shape=(1, 8, 8)))
        zoo.save(model.eval(), name)
        assert type(zoo.load(f"./{name}")) is cls


def test_a_subclass_is_not_the_family_of_its_parent(registered):
    parent = zoo.register("parent")(cell())
    child = type("Good", (parent,), {"__module__": "__main__"})
    model = child(child.Spec(input_shape=(1, 8, 8)))
    with pytest.raises(PluginError, match="Good is not a registered family"):
        zoo.save(model, "child")
    with pytest.raises(PluginError, match="is not a registered family"):
        zoo.save(type("VAE", (VAE,), {})(zoo.build("vae", **SHAPE).spec), "child")


def test_a_class_has_one_name(registered, installed):
    once = zoo.register("once")(cell())
    assert zoo.register("once")(once) is once
    with pytest.raises(PluginError, match="Good is already registered as Family 'once'"):
        zoo.register("twice")(once)
    with pytest.raises(PluginError, match="VAE is already registered as Family 'vae'"):
        zoo.register("my-vae")(VAE)
    installed(
        Package("twice", "1", {"twice.py": GOOD}, {"first": "twice:Good", "second": "twice:Good"}),
        Package("borrowed", "1", {}, {"borrowed": "zoo.families.vae.model:VAE"}),
    )
    assert zoo.build("first", input_shape=(1, 8, 8))
    with pytest.raises(PluginError, match="Good is already Plugin 'first' of twice 1"):
        zoo.build("second", input_shape=(1, 8, 8))
    with pytest.raises(PluginError, match="VAE is the zoo's own"):
        zoo.build("borrowed", **SHAPE)


def test_a_spec_of_two_families_is_refused_without_a_name(registered):
    one = zoo.register("one")(cell())
    zoo.register("two")(type("Two", (one,), {}))
    spec = one.Spec(input_shape=(1, 8, 8))
    with pytest.raises(
        InputError, match=r"GoodSpec is the Spec of families 'one' and 'two': build"
    ):
        zoo.build(spec)
    zoo.register("mine")(type("Mine", (VAE,), {}))
    assert type(zoo.build(zoo.build("vae", **SHAPE).spec)) is VAE


def test_a_name_that_a_package_has_cannot_be_registered(installed):
    installed(good())
    scope: dict = {}
    exec(GOOD, scope)
    with pytest.raises(PluginError, match=r"taken by an entry point of acme-good 0\.3"):
        zoo.register("good")(scope["Good"])


def test_a_class_or_a_spec_of_a_package_finds_its_name_and_imports_no_other(installed, tmp_path):
    installed(good(), Package("bomb", "1", {"bomb.py": "raise SystemExit"}, {"bomb": "bomb:Bomb"}))
    import acme_good

    spec = acme_good.GoodSpec(input_shape=(1, 8, 8))
    model = zoo.build(spec, seed=0)
    zoo.save(acme_good.Good(spec).eval(), tmp_path / "model")
    assert type(model) is type(zoo.load(tmp_path / "model")) is acme_good.Good
