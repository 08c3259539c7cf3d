"""Publishing of models under a name, for the maintainers of a registry: `python -m zoo.release RUN`."""
