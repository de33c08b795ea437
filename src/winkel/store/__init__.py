"""PostgreSQL: speaks model types, knows no business rule."""
