"""The operator's command line: reads options and variables, and starts the process."""
