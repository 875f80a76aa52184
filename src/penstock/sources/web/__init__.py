"""Files of web servers: one URL, an index page, or a list of URLs."""
