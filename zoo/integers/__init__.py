"""A model in whole numbers: networks, masses and codes that are equal on every machine.

Floating-point sums depend on their order, and so on the processor, the threads and the batch. Here all
numbers are integers carried in float64, whose sums of products stay below 2^52, which is checked from the
weights: then no order of addition, no fused multiply-add and no thread changes a bit. Rescaling is by a
power of two and a floor, a division is the floor of a quotient of numbers below 2^52, and functions are
looked up in tables made with Python's `decimal`.

    grids.py        the grids of activations and weights, rounding, division
    tables.py       functions as tables
    forms.py        which layers, likelihoods and models have an integer form, and how others get one
    layers.py       torch's layers
    discrete.py     integer masses of numbers, coded digit by digit
    priors.py       priors, and the grids of their codes
    likelihoods.py  likelihoods of levels
    base.py         base classes of whole models
    models.py       the zoo's families
"""
