"""What the router costs and what it is worth: `scripts/bench` (time) and `scripts/eval_e2e` (quality and money)."""
