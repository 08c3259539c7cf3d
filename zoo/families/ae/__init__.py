"""`ae`: a plain autoencoder."""
