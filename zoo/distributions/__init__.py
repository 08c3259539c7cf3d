"""Distributions over codes and examples that `torch.distributions` does not have, or not in this form.

bernoulli.py              Bernoulli and continuous Bernoulli, from logits
discretized_logistic.py   mixtures of discretized logistics over the 256 levels of an image
gaussians.py              diagonal Gaussians over codes: draws at given noise, KL divergences
mixture.py                an even mixture of diagonal Gaussians
"""
