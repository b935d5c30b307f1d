"""What step scores are worth: measured against labels, given thresholds, calibrated."""
