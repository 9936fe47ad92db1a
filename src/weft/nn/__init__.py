"""Models: loaded once per process, shared, and run by one of several engines."""
