"""Images as samples: of class folders, or by a table of labels. Importing this package imports no Pillow."""
