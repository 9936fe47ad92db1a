"""A pipeline that runs for minutes or days while its process is watched: ``make soak``."""
