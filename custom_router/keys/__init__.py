"""Teams and virtual keys kept in a file: planned, applied, audited."""
