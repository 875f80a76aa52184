"""How anomalies on X-rays are learnt from normal ones."""
