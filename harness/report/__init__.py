"""Results for people: the terminal's tables and progress, the HTML report."""
