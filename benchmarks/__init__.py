"""Measurements of Penstock, alone and beside its peers; not part of the package."""
