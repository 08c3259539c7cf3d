"""The public functions, by what they do. Torch is imported by the functions that need it."""
