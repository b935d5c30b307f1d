"""Methods of search at equal tokens: start at `measuring`; `lines` makes lines of results."""
