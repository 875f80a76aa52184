"""A dataset written anew in shards of a given size: deterministic, verified, gone on with where it was stopped."""
