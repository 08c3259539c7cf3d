"""The datasets that have a name in the zoo."""
