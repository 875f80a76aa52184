"""Tables: rows of whatever format gives them by column, the columns as numbers."""
