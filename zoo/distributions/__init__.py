"""Distributions over codes and examples that `torch.distributions` lacks.

bernoulli.py              Bernoulli and continuous Bernoulli, from logits
columns.py                rows of real, binary and categorical columns
discretized_logistic.py   mixtures of discretized logistics over the 256 levels of an image
gaussians.py              diagonal Gaussians over codes: sampling at given noise, KL divergences
mixture.py                uniform mixture of diagonal Gaussians
"""
