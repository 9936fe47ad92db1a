"""Where frames leave, one file each."""
