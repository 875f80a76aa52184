"""How tables are learnt from."""
