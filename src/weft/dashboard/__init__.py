"""Web pages that show what runs: ``weft view`` shows streams. Loaded only by the commands that serve a page."""
