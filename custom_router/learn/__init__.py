"""Training, measurement and evaluation: reads outcome data, writes the shipped artifacts."""
