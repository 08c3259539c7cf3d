"""Published models that live on the Hub, pinned by the index."""

import json
import shutil
from pathlib import Path

from outcome import load


def test_a_published_model_that_is_not_in_the_package_comes_from_its_pinned_home(
    hub, client, repo, files, checkout, tmp_path, expected
):
    """In a copy of the code whose registry has the index line and not the folder."""
    _install_without_folder(checkout, tmp_path, f"{repo}@{hub.head(repo)}")
    hub.commit(repo, {"config.json": b"{}"})  # the branch goes on, the pin stays
    where = {"cwd": tmp_path, "env": {"PYTHONPATH": str(tmp_path)}, "fresh": True}
    got = load(client, "vae-digits-8", **where)
    assert got.value == f"vae-digits-8 {expected}"


def test_a_published_model_whose_home_holds_other_bytes_is_refused(
    hub, client, repo, files, checkout, tmp_path
):
    config = json.loads(files["config.json"])
    hub.commit(repo, {"config.json": json.dumps(config).encode()})  # says the same in other bytes
    _install_without_folder(checkout, tmp_path, f"{repo}@{hub.head(repo)}")
    where = {"cwd": tmp_path, "env": {"PYTHONPATH": str(tmp_path)}, "fresh": True}
    assert load(client, "vae-digits-8", **where).says(
        "IntegrityError", "config.json", "not the published"
    )


def test_a_home_on_the_hub_is_noted_only_if_it_holds_the_models_very_bytes(
    hub, client, repo, checkout, tmp_path
):
    _install_without_folder(checkout, tmp_path, "")
    index = tmp_path / "registry" / "index.toml"
    before = index.read_text()
    release = """
import sys, zoo.release
for home in homes:
    sys.argv[1:] = ["--hub", home]
    try:
        zoo.release.main()
    except SystemExit as end:
        print(end.code)
"""
    where = {"cwd": tmp_path, "env": {"PYTHONPATH": str(tmp_path)}}
    homes = [f"vae-digits-8={repo}", f"vae-digits-8={repo}@main"]
    homes += [f"vae-mnist-20={repo}@{hub.head(repo)}"]
    done = client.fresh(release, args={"homes": homes}, **where)
    said = done.out.splitlines()
    assert ["is not pinned" in line for line in said] == [True, True, False]
    assert "not the published ones" in said[2]
    assert index.read_text() == before
    home = f"{repo}@{hub.head(repo)}"
    done = client.fresh(release, args={"homes": [f"vae-digits-8={home}"]}, **where)
    assert (done.returncode, done.out) == (0, "")
    assert f'hub = "{home}"' in index.read_text()


def _install_without_folder(checkout: Path, target: Path, home: str) -> None:
    import tomllib

    import tomli_w

    shutil.copytree(checkout / "zoo", target / "zoo", ignore=shutil.ignore_patterns("__pycache__"))
    (target / "pyproject.toml").write_text('[project]\nname = "autoencoder-zoo"\n')
    index = tomllib.loads((checkout / "registry" / "index.toml").read_text())
    index["vae-digits-8"]["hub"] = home
    (target / "registry").mkdir()
    (target / "registry" / "index.toml").write_text(tomli_w.dumps(index))
