"""The decision record: one per request, the single source of every report."""
