"""Datasets and competitions of Kaggle, or of a server that speaks like it."""
