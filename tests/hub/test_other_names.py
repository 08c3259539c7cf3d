"""`push_to_hub` and `from_pretrained`: `zoo.push` and `zoo.load` by the names that other libraries have."""

from __future__ import annotations

from ending import FINGERPRINT, REPO, attempt, bits

VAE = "__import__('zoo.families.vae.model', fromlist=['VAE']).VAE"


def test_what_a_model_pushes_its_class_loads(hub, client, alice, expected):
    done = attempt(client, f"zoo.load('vae-digits-8').push_to_hub('{REPO}').pushed", env=alice)
    assert "model.safetensors" in done.value
    for name in ("zoo.VariationalAutoencoder", "zoo.Autoencoder", VAE):
        there = attempt(client, f"{FINGERPRINT}({name}.from_pretrained('{REPO}'))")
        assert bits(there.value) == expected


def test_they_take_the_options_of_push_and_load(hub, client, alice):
    pushed = f"zoo.load('vae-digits-8').push_to_hub('{REPO}', private=True)"
    attempt(client, pushed, env=alice)
    absent = attempt(client, f"zoo.Autoencoder.from_pretrained('{REPO}')")
    assert "SourceError" in absent.errors
    loaded = f"zoo.Autoencoder.from_pretrained('{REPO}', token='{alice['HF_TOKEN']}').dtype"
    assert attempt(client, loaded).value == "torch.float32"
