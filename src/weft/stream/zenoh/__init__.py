"""Streams over Eclipse Zenoh: between processes, machines and sites."""
