"""Data plane: does. Never imports `flows`, `prefect` or `sqlalchemy`."""
