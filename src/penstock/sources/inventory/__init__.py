"""Inventories: reports that a store writes of all its objects, read as listings."""
