"""Pushing to a repo that has files: other files stay, and what an author wrote."""

from __future__ import annotations

import shutil

import pytest
from ending import COMMIT, REPO, attempt, push, pushed
from samples import TOKEN


@pytest.mark.parametrize(
    "config",
    [
        b'{"model_type": "bert", "_name_or_path": "autoencoder-zoo/bert"}',
        b'{"format": "other/1"}',
        b"autoencoder-zoo/1",
    ],
)
def test_another_librarys_config_that_mentions_the_zoo_is_not_ours(
    hub, client, mine, alice, config
):
    hub.create(REPO)
    before = hub.commit(REPO, {"config.json": config, "model.safetensors": b"x"})
    assert push(client, mine, env=alice).says("HubError", "another kind of model")
    assert hub.head(REPO) == before


def test_a_model_of_a_newer_format_is_not_written_over(hub, client, mine, alice):
    hub.create(REPO)
    hub.commit(REPO, {"config.json": b'{"format": "autoencoder-zoo/2"}'})
    assert push(client, mine, env=alice).says("HubError", "pip install -U autoencoder-zoo")


def test_a_config_that_escapes_its_slash_is_ours(hub, client, mine, files, alice):
    hub.create(REPO)
    escaped = files["config.json"].replace(b"autoencoder-zoo/1", b"autoencoder-zoo\\/1")
    hub.commit(REPO, {**files, "config.json": escaped})
    assert "config.json" in pushed(push(client, mine, env=alice))["pushed"]


def test_a_picture_that_the_zoo_did_not_draw_stays(hub, client, mine, alice):
    push(client, mine, env=alice)
    hub.commit(REPO, {"figures/architecture.png": b"png"})
    (mine / "metrics.json").unlink()
    (mine / "figures" / "samples.png").unlink()
    done = pushed(push(client, mine, env=alice))
    assert done["deleted"] == ("figures/samples.png", "metrics.json")
    assert "figures/architecture.png" in hub.files(REPO)


def test_a_repo_with_only_a_picture_can_be_pushed_to(hub, client, mine, alice):
    hub.create(REPO)
    hub.commit(REPO, {"figures/logo.png": b"png"})
    assert "config.json" in pushed(push(client, mine, env=alice))["pushed"]
    assert "figures/logo.png" in hub.files(REPO)


def test_a_new_repo_is_not_made_for_a_branch_that_it_cannot_have(hub, client, mine, alice):
    got = push(client, mine, options="revision='dev'", env=alice)
    assert got.says("SourceError", "A new repo starts with main")
    assert hub.repos == []


def test_a_tag_is_not_pushed_to(hub, client, mine, alice):
    hub.create(REPO)
    hub.tag(REPO, "v1")
    got = push(client, mine, options="revision='v1'", env=alice)
    assert got.says("SourceError", "has no branch 'v1': a tag cannot be pushed to")


@pytest.mark.usefixtures("measuring")
@pytest.mark.slow
def test_the_card_on_a_branch_loads_from_that_branch(hub, client, mine, alice):
    hub.create(REPO)
    hub.branch(REPO, "dev")
    push(client, mine, options="revision='dev'", env=alice)
    assert f'zoo.load("hf://{REPO}@dev")' in hub.files(REPO, "dev")["README.md"].decode()
    checks = attempt(client, f"[c.result for c in zoo.verify('hf://{REPO}@dev').checks]")
    assert checks.value == str(["passed"] * 4)


def test_the_license_of_the_folders_card_goes_with_it(hub, client, mine, alice):
    card = (mine / "README.md").read_text()
    for written in ('license: "MIT"', "license: mit  # mine", "license:\n- mit"):
        (mine / "README.md").write_text(card.replace("license: apache-2.0", written))
        assert pushed(push(client, mine, env=alice))["license"] == "mit"
        assert b"\nlicense: mit\n" in hub.files(REPO)["README.md"]
    own = "license: other\nlicense_name: acme-1\nlicense_link: https://acme.example/l"
    (mine / "README.md").write_bytes(
        ("\ufeff" + card.replace("license: apache-2.0", own)).replace("\n", "\r\n").encode()
    )
    push(client, mine, env=alice)
    assert b"license_name: acme-1\n" in hub.files(REPO)["README.md"]


def test_a_model_without_a_license_is_pushed_with_a_word_on_it(hub, client, mine, alice):
    card = (mine / "README.md").read_text()
    (mine / "README.md").write_text(card.replace("license: apache-2.0\n", ""))
    for words in (["--dry-run"], []):
        said = client.zoo("push", mine, REPO, *words, env=alice).out
        assert "No license is set, so nobody has permission to use this model" in said
    hub.commit(REPO, {"README.md": b"---\nlicense: mit\n---\nBy hand\n"})
    assert "No license is set" not in client.zoo("push", mine, REPO, env=alice).out


def test_a_license_can_be_given_to_a_push(hub, client, mine, alice):
    card = (mine / "README.md").read_text()
    (mine / "README.md").write_text(card.replace("license: apache-2.0\n", ""))
    said = client.zoo("push", mine, REPO, "--license", "mit", "--dry-run", env=alice).out
    assert "\nlicense: mit\n" in said
    assert "No license is set" not in said
    assert pushed(push(client, mine, options="license='mit'", env=alice))["license"] == "mit"
    assert b"\nlicense: mit\n" in hub.files(REPO)["README.md"]
    head = hub.head(REPO)
    got = push(client, mine, options="license='my own'", env=alice)
    assert got.says("InputError", "'my own' is not a license id of the Hub")
    (mine / "README.md").write_text("# Mine\n")
    got = push(client, mine, options="license='mit'", env=alice)
    assert got.says("InputError", "is your own card", "put `license: mit` into its front matter")
    assert hub.head(REPO) == head


def test_an_edited_card_is_not_replaced_without_a_word(hub, client, mine, alice):
    card = (mine / "README.md").read_text()
    quiet = push(client, mine, env=alice)
    assert "is regenerated" not in quiet.err
    (mine / "README.md").write_text(card.replace("\n# vae-digits-8", "\n# The best digits"))
    said = push(client, mine, env=alice).err
    assert "was edited, or written by another version" in said
    assert "delete its line `<!-- written by autoencoder-zoo ...`" in said
    lines = (mine / "README.md").read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith("<!-- written by autoencoder-zoo")]
    (mine / "README.md").write_text("".join(kept))
    hub.delete(REPO)
    assert "is regenerated" not in push(client, mine, env=alice).err
    assert b"\n# The best digits" in hub.files(REPO)["README.md"]


def test_a_path_of_this_machine_is_not_published(hub, client, mine, alice):
    recipe = (mine / "recipe.toml").read_text().replace('"digits"', '"/home/alice/clients"')
    (mine / "recipe.toml").write_text(recipe)
    got = push(client, mine, env=alice)
    assert got.says("InputError", "'/home/alice/clients', a path on this machine")
    assert hub.requests == []


def test_a_family_of_no_package_says_so_in_its_card(hub, client, alice, tmp_path):
    code = """
import torch
class Spec(zoo.Spec):
    @property
    def latent_shape(self): return (4,)
@zoo.register("linear-test")
class Linear(zoo.VariationalAutoencoder):
    Spec = Spec
    def __init__(self, spec):
        super().__init__(spec)
        self.weight = torch.nn.Parameter(torch.randn(spec.input_size, 4))
    def _posterior(self, x): raise NotImplementedError
    def _likelihood(self, z): raise NotImplementedError
print(zoo.push(zoo.build("linear-test", input_shape=(1, 8, 8)), "acme/linear").commit)
"""
    done = client.run(code, env=alice)
    assert done.returncode == 0, done.err
    card = hub.files("acme/linear")["README.md"].decode()
    assert "and the code that registers its family, linear-test: ask its author" in card
    assert "pipeline_tag: unconditional-image-generation" in card
    assert "no prior" not in card
    assert "untrained" not in card


def test_an_explicit_token_is_used_for_all_that_a_push_needs(hub, client, files, alice):
    hub.create("acme/secret", private=True)
    hub.commit("acme/secret", files)
    code = f"vars(zoo.push(zoo.load('acme/secret', token={TOKEN!r}), 'acme/two', token={TOKEN!r}))"
    assert set(pushed(attempt(client, code))["pushed"]) == files.keys()


def test_what_a_lost_answer_was_about_is_told_as_pushed(hub, client, mine, alice):
    hub.fault(method="POST", path=COMMIT, lost=True)
    assert "model.safetensors" in pushed(push(client, mine, env=alice))["pushed"]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["acme/vae", "./mine"], "A push takes the folder first"),
        (["acme/vae", "acme/copy"], "`zoo pull acme/vae --to FOLDER`"),
        (["hf://acme/vae", "acme/copy"], "`zoo pull hf://acme/vae --to FOLDER`"),
        (["./mine", "acme/vae", "--revision", "a..b", "--dry-run"], "A revision is"),
        (["./mine", "acme/vae", "--revision", "dev", "--create-pr", "--dry-run"], "against main"),
    ],
)
def test_a_mistyped_command_is_a_sentence(client, mine, words, hint):
    done = client.zoo("push", *words, cwd=mine.parent)
    assert (done.returncode, hint in done.err) == (1, True), done.err


def test_a_password_in_the_address_of_the_hub_is_not_shown(client, mine, alice, hub):
    address = hub.url.replace("//", "//user:s3cret@")
    hub.stop()
    code = "zoo.load('acme/vae')"
    got = attempt(client, code, env={"HF_ENDPOINT": address})
    assert got.says("OfflineError", "cannot be reached")
    assert "s3cret" not in got.message + got.err


def test_an_invalid_endpoint_is_named(client, hub):
    got = attempt(client, "zoo.load('acme/vae')", env={"HF_ENDPOINT": "foo"})
    assert got.says("HubError", "HF_ENDPOINT is 'foo'")


def test_a_license_that_was_set_on_the_hub_stays(hub, client, mine, alice):
    card = (mine / "README.md").read_text()
    (mine / "README.md").write_text(card.replace("license: apache-2.0\n", ""))
    push(client, mine, env=alice)
    there = hub.files(REPO)["README.md"].decode()
    hub.commit(REPO, {"README.md": there.replace("---\n", "---\nlicense: mit\n", 1).encode()})
    (mine / "metrics.json").unlink()
    done = pushed(push(client, mine, env=alice))
    assert done["license"] == "mit"
    assert b"\nlicense: mit\n" in hub.files(REPO)["README.md"]
    again = pushed(push(client, mine, env=alice))
    assert (again["pushed"], again["commit"]) == ((), done["commit"])


def test_several_licenses_stay_several(hub, client, mine, alice):
    card = (mine / "README.md").read_text()
    (mine / "README.md").write_text(
        card.replace("license: apache-2.0", "license: [mit, apache-2.0]")
    )
    assert pushed(push(client, mine, env=alice))["license"] == "mit, apache-2.0"
    assert b"license:\n- mit\n- apache-2.0\n" in hub.files(REPO)["README.md"]


def test_pictures_of_a_repo_of_another_kind_stay(hub, client, mine, alice):
    hub.create(REPO)
    own = {"README.md": b"# A GAN", "gan.safetensors": b"x", "figures/samples.png": b"png"}
    before = hub.commit(REPO, own)
    assert push(client, mine, env=alice).says("HubError", "another kind of model")
    shutil.rmtree(mine / "figures")
    done = pushed(push(client, mine, env=alice))
    assert (done["deleted"], done["kept"]) == ((), ("README.md",))
    assert hub.files(REPO)["figures/samples.png"] == b"png"
    assert hub.commits(REPO)[-2] == before


def test_front_matter_that_explodes_is_not_parsed(hub, client, mine, alice):
    lines = ["a0: &a0 {" + ", ".join(f"k{i}: 1" for i in range(10)) + "}"]
    for n in range(1, 12):
        lines.append(f"a{n}: &a{n} {{<<: [" + ", ".join([f"*a{n - 1}"] * 10) + "]}")
    for bomb in ("\n".join(lines), "license: !!bool foo", "license: &a [*a]", "x: !!int ''"):
        (mine / "README.md").write_text(f"---\n{bomb}\n---\n# Mine\n")
        got = attempt(client, f"zoo.info({str(mine)!r}).license")
        assert got.value == "None"
        assert got.seconds < 5


def test_an_invalid_stored_token_is_not_shown(client, mine):
    got = push(client, mine, env={"HF_TOKEN": "hf_caf\u00e9"})
    assert got.says("InputError", "The token from HF_TOKEN")
    assert "caf" not in got.message + got.err
