"""How fast small objects come from a store that refuses some requests."""
