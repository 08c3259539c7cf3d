"""The autoencoders behind diffusion models, as families: `pip install 'autoencoder-zoo[diffusers]'`.

The networks are those of the diffusers library; the Specs are its settings, strictly, and need neither
diffusers nor torch.
"""
