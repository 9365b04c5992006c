"""HTTP routes of the router: what administrators and callers may read and ask."""
