"""How videos and their captions are learnt from together."""
