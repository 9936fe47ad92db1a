"""The conveyor demo: a drawn factory belt, a small detector for it, and the score of one against the other."""
