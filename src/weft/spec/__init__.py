"""Documents people write: YAML in, checked models out, every mistake reported at once."""
