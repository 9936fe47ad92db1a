"""Pipelines: the graph, its queues and workers, and the summary."""
