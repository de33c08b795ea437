# Value 7 at 3 dollars, then 9 at 4 dollars: 21 + 8 = 29 (metronome-api.md §8, example 3).

metric devices: LATEST
product Devices: metric devices
rate Devices: 3.00
rate Devices: 4.00, from 2026-01-15
contract main: 2026-01-01
usage devices: 7 on 2026-01-03
usage devices: 9 on 2026-01-20

> drafts at 2026-01-31
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Devices [01-01 → 01-15]                                                  7 × 3.00          21.00
|   Devices [01-15 → 02-01]                                                  2 × 4.00           8.00
|   total                                                                                      29.00
