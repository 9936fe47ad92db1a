"""HTTP requests of functions, to granted hosts alone."""
