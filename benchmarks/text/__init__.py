"""What a small language model learns of real texts by the documented command."""
