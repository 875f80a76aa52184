"""What lies at a URI, told at a bounded cost: sizes, formats, columns, first samples, and what shards suit training."""
