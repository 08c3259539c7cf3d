"""Sweeps: one recipe trained with many settings, here or on a Ray cluster, and one table of them.

settings.py   sweep.toml, as validated data
plan.py       sweep.toml -> its trials, all of them checked
outcome.py    how a trial ended
process.py    starting a trial in a process of its own
trial.py      that process
folder.py     a sweep's folder
table.py      sweep.csv
noise.py      which differences in it are noise
embedded.py   trials on this machine
reach.py      an address -> a Ray cluster that answers
cluster.py    trials as tasks of a Ray cluster
asha.py       trials that Ray Tune may stop early
run.py        all of it together
plots.py      rate against distortion, metric against settings
"""
