"""Members of a large ZIP64 file by range."""
