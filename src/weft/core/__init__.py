"""The nouns everything else is made of: frames, tensors, errors, units. Needs numpy and nothing more."""
