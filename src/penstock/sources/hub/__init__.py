"""Datasets and models of the Hugging Face Hub, or of a server that speaks like it."""
