"""How much of the gap between domains of EEG each way of adaptation closes."""
