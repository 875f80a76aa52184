"""Tables: rows of Parquet and of CSV, their columns as numbers."""
