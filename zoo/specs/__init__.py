"""Validated, immutable settings and records, without torch.

validation.py      strict settings; all problems are reported at once
base.py            `Spec`, the base class of every family's Spec
domains.py         images, series and rows
columns.py         kinds of a row's columns, in run-length notation
parts.py           bodies and priors
objectives.py      training objectives; optimizers.py: optimizers
data.py            a recipe's [data]
protocols.py       how examples are presented for likelihoods; reconstruction.py: for reconstructions
metrics.py         metrics of a model; record.py: metrics.json; ground.py: which of them compare
info.py            `ModelInfo`, what is known without reading the weights
"""
