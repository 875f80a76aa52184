"""How language models are learnt."""
