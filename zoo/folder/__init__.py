"""A model's folder, file by file, and folder <-> model."""
