"""What the feed of X-rays takes of memory: the directory of the whole archive, and large images through a window."""
