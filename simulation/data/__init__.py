"""What people bring: tables, catalogs, logs, Open Bandit, and the error that says what is wrong with them."""
