"""`hierarchical-vae`: groups of latents, each drawn given those above it."""
