"""A model's folder: its files, loading and saving."""
