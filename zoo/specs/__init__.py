"""What is said of a model as validated, immutable data, without torch: its Spec, and what is known of it.

validation.py  strict settings, every problem told at once
base.py        `Spec`, which every family's subclasses
parts.py       bodies and likelihoods
families.py    the Specs of the built-in families; that of vq-vae is in vq_vae.py
protocols.py   what a model is shown when it is measured
metrics.py     what is measured of it
record.py      metrics.json
info.py        what is known of a model without reading its weights
"""
