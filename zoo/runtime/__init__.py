"""The process and the machine: devices, launchers' processes, settings from the environment."""
