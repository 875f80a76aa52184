"""Places that fsspec's file systems reach and Penstock has no client of its own for: the last resort, and slower."""
