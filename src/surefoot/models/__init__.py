"""What a step is worth: contract, rendering, heads, scoring, loading."""
