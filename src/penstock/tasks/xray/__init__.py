"""Chest X-rays: what is not normal in them, learnt from normal ones alone."""
