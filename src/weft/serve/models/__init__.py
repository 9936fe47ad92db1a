"""Models that are served: names and versions, a queue and threads for each, batches, statistics, a memory budget."""
