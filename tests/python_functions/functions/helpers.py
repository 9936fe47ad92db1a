"""Beside the playground: what it imports comes along."""

from pack import deep

SECRET = "from a sibling"


def fail(value):
    return deep.fail(value)
