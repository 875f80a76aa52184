"""Files of local folders as objects."""
