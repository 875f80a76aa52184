"""How training uses a device: stall, utilisation and samples a second with each option that changes how it computes."""
