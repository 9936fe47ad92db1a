"""Further down."""


def fail(value):
    raise LookupError(f"no {value} here")
