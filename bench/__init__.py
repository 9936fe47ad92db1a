"""Benchmarks: each beside its baseline, in one run. ``make bench`` runs them all."""
