"""Files that are never half-written, what their bytes must be, and text that is safe to print."""
