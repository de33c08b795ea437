"""winkel top: command.py looks every second, numbers.py compares two looks (pure), view.py draws."""
