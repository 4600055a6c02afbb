"""How figures look wherever they stand: numbers as text, tables of the terminal, drawings of the report."""
