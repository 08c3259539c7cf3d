from pathlib import Path
from outcome import attempt, load

XET = {"HF_HUB_DISABLE_XET": None}
def test_try(hub, client, alice, folder, files):
    hub.xet = True
    got = attempt(client, f"zoo.push({str(folder)!r}, 'acme/vae')", fresh=True, env={**alice, **XET})
    print(got)
    for r in hub.requests: print(r.server, r.method, r.path, r.status, r.bytes_sent, r.bytes_received)
    hub.forget()
    print(hub.files("acme/vae")["model.safetensors"] == files["model.safetensors"])
    got = load(client, "acme/vae", fresh=True, env=XET)
    print(got)
    for r in hub.requests: print(r.server, r.method, r.path, r.status, r.bytes_sent, r.bytes_received, r.headers.get("range"))
    print({k: v for k, v in hub._state.recipes.items()}, {k: len(v) for k,v in hub._state.xorbs.items()})
    import xet
    for x in hub._state.xorbs.values(): print({c for c in [x[c.start+4] for c in xet.unpack(x)]}, len(xet.unpack(x)), xet.unpack(x)[-1].end)
