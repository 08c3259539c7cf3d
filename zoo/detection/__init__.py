"""Anomaly and out-of-distribution detection: scores, calibration, the detector."""
