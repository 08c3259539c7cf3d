"""Restoration of images and rows: denoising, missing pixels and values, pictures in files."""
