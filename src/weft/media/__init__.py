"""Pictures and video."""
