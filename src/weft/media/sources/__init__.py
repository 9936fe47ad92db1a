"""Where frames enter, one file each."""
