"""Functions and models by digest: a content-addressed store, and what brings them there from registries."""
