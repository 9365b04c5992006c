"""Classifiers behind one seam, with the controls they must beat."""
