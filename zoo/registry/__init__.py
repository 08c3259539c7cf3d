"""Names -> things: families, published models and their recipes, from the zoo and from installed packages."""
