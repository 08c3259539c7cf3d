"""The zoo's own families, a folder each: a Spec, which needs no torch, and a model."""
