"""Dataset readers, one kind of file or object per module."""
