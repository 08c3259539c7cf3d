"""Entry points of installed packages, and errors that name the package at fault."""
