"""The console: pages at `/router/` that show what the API tells. They hold no data themselves."""
