"""What stores of objects in buckets have in common: listings by pages, ranges, blobs, credentials that end."""
