"""What people bring: tables, catalogs, logs, Open Bandit, the error that says what is wrong with them; whole files."""
