"""Where problems come from, with exact truth about every step."""
