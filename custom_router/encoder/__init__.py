"""Sentence encoders behind one narrow seam."""
