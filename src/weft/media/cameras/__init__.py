"""Cameras that die: the states of one, its decoder in a process of its own, and how pictures come out of that."""
