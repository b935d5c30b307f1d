"""`surefoot search`: spend step rewards at test time, on problem after problem."""
