"""Reports made from the decision records."""
