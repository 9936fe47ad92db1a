"""``weft dev``: a pipeline that runs while its functions are worked on."""
