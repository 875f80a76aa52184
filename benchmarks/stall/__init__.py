"""How long a trainer waits for data, by how much more a link gives than it takes."""
