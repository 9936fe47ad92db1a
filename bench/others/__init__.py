"""Other servers, as their own documentation would have one write them; each runs by ``python -m``.

They run under an interpreter that has them: these modules import nothing of Weft, and of the benchmarks
only each other.
"""
