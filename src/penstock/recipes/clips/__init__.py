"""How clips of video and sound are learnt from."""
