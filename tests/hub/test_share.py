"""The whole way: train, push, load elsewhere, cut the Hub off, verify, damage, heal."""

from __future__ import annotations

import subprocess
import sys

import pytest
from ending import attempt, load

REPO = "acme/vae-digits-8"


@pytest.mark.usefixtures("measuring")
def test_a_model_goes_from_its_training_to_another_user_unchanged(
    hub, client, alice, recipe, tmp_path
):
    """With a quick recipe, and a Hub that each step finds as it is."""
    train = "zoo.train(recipe, out='runs/mine', device='cpu')"
    done = client.run(train, args={"recipe": recipe()}, cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.err
    here = load(client, "./runs/mine/model", cwd=tmp_path)
    assert here.value is not None

    done = client.zoo("push", "runs/mine/model", REPO, env=alice, cwd=tmp_path)
    assert done.returncode == 0, done.err
    assert f"{REPO} at commit {hub.head(REPO)}" in done.out

    there = load(client, REPO, cwd=tmp_path)  # its cache is empty: nothing was fetched so far
    assert there.value is not None
    assert there.value.split()[1] == here.value.split()[1]

    hub.stop()
    assert load(client, REPO).value == there.value
    done = client.zoo("verify", REPO)
    assert done.returncode == 0, done.out
    assert "2 files are those of the Hub's record" in done.out

    [weights] = (client.home / "hub").glob("*/snapshots/*/model.safetensors")
    blob = weights.resolve()
    data = bytearray(blob.read_bytes())
    data[len(data) // 2] ^= 4
    blob.chmod(0o644)
    blob.write_bytes(data)
    done = client.zoo("verify", REPO)
    assert done.returncode == 1
    assert "FAILED" in done.out
    assert "hashes: model.safetensors of " in done.out

    hub.start()
    healed = load(client, REPO)
    assert healed.value == there.value
    assert "is damaged: fetching it once more" in healed.err
    done = client.zoo("verify", REPO)
    assert done.returncode == 0, done.out
    assert "files are those of the Hub's record at commit" in done.out


@pytest.mark.usefixtures("measuring")
def test_every_verb_takes_a_repo(hub, client, repo, tmp_path):
    image = "__import__('numpy').save('x.npy', [[[0] * 8] * 8])"
    attempt(client, image, cwd=tmp_path)
    for words in (
        ["show", repo],
        ["card", repo],
        ["eval", repo, "--limit", "5"],
        ["draw", repo],
        ["verify", f"hf://{repo}@{hub.head(repo)}"],
        ["pull", repo, "--to", "pulled"],
    ):
        done = client.zoo(*words, cwd=tmp_path, timeout=120)
        assert done.returncode == 0, (words, done.out, done.err)
    assert (tmp_path / "vae-figures" / "samples.png").exists()


def test_info_of_a_repo_imports_no_torch(hub, client, repo, checkout):
    code = f"print(zoo.info('{repo}').origin, 'torch' in sys.modules, zoo.load('{repo}').training)"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, zoo; {code}"],
        env={**client.env, "HF_HUB_OFFLINE": "0"},
        cwd=checkout,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split()[1:] == ["False", "False"], done.stderr
