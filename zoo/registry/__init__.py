"""Lookup by name: families, published models and their recipes, of the zoo and of installed packages."""
