"""The confidence gate: signals about one answer, a calibrated probability that it is good, and what to do about it."""
