# Contract from 09-15 with anchor 09-10, monthly: first 09-15 → 10-10, then each 10th (metronome-api.md §8, example 16).

metric calls: SUM
product Calls: metric calls
rate Calls: 1.00
contract main: 2025-09-15, anchor 2025-09-10
usage calls: 1 daily 2025-09-10 to 2025-11-10

> drafts at 2025-10-15
| USAGE main  2025-09-15 → 2025-10-10  USD
|   Calls                                                                   25 × 1.00          25.00
|   total                                                                                      25.00
|
| USAGE main  2025-10-10 → 2025-11-10  USD
|   Calls                                                                   31 × 1.00          31.00
|   total                                                                                      31.00
