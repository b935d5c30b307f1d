"""Best-of-N on frozen pools, measured whole; start at `measuring.measure`.

Read the files in the order of the work: `preparing` (problems, outcomes and answers of candidates),
`rewards` (what numbers there are to choose by), `measuring` (what every way of choosing gets),
`diagnostics` (how it tells right from wrong, and where its least score lies), `cost` (tokens),
`verdicts` (does it harm), `warnings`, `metrics` (all of it as the metrics of a run), `remeasuring`.
"""
