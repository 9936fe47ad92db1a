"""Beside the playground, and imported by nobody."""
