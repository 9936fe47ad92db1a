"""Messages of a broker: one connection to it, and what waits of what it sent."""
