"""The HTTP/1.1 client of all sources; it knows no store."""
