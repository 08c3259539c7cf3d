"""`vae`, and those that penalize the total correlation of its codes."""
