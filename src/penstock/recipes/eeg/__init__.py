"""How EEG is learnt from."""
