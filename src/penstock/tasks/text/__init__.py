"""Language models: on text as it is, and on conversations."""
