"""The report's page: a module for each part of it."""
