"""Every figure that the README quotes, and how it is measured. `python -m bench --help`."""
