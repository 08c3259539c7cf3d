"""What the tests of the Hub publish."""

from __future__ import annotations

TOKEN = "hf_alice"
"""Of alice, who may write to acme."""
CARD = b"---\nlicense: mit\n---\nA card.\n"
FILES = {"README.md": CARD, "config.json": b'{"a": 1}', "model.safetensors": bytes(range(256)) * 40}
"""By name; the Hub keeps the last as a large file."""
