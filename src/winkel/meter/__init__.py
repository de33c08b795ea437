"""Stage 2: log → usage. What counts, once, and how much?"""
