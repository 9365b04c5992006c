"""Recognising traffic that must go to a tier whatever it costs: rules that people edit, and a model."""
