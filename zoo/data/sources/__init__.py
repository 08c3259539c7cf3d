"""Readers of datasets, one kind of file or object in each module."""
