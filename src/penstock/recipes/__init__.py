"""How something is learnt: models and objectives of the tasks."""
