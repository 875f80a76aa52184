"""How images are learnt from."""
