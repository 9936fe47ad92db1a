"""Functions over HTTP: body in, body out."""
