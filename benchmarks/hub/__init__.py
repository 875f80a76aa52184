"""Examples of the documentation of `datasets` and of EasyData, beside Penstock, on a Hub far away."""
