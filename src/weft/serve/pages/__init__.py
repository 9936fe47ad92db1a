"""The pages about a server: health, metrics, and how to call it."""
