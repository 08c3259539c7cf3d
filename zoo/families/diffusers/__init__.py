"""Autoencoders of the diffusers library, as families."""
