"""Process and machine: devices, distributed processes, settings from environment variables."""
