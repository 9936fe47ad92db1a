"""Web servers that are asked again and again."""
