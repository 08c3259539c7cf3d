"""Measuring a model: bounds on its likelihood, reconstruction, pictures, and how a report is checked."""
