"""The command line: flags and configuration files, turned into specs."""
