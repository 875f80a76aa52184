"""What a window that keeps samples downloads over several epochs, and what that costs in speed."""
