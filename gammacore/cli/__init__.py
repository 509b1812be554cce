"""The command line: words and exit codes, one module a command."""
