"""`vq-vae`: codes made of a codebook's vectors."""
