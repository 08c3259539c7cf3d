"""What installed packages offer by entry points, and errors that name the package at fault."""
