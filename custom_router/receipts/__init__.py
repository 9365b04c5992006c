"""What is said of one request: why it went where it went, what else would have happened, what it cost."""
