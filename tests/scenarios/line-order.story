# Which line is paid first: the earlier, then the one with the higher unit price, then A to Z.
# Data Reads at 2.60 are covered before Data Storage at 1.00 (metronome-api.md §8, example 11).

metric reads: SUM
metric storage: SUM
metric writes: SUM
product Data Storage: metric storage
product Data Writes: metric writes
product Data Reads: metric reads
product Audit: metric storage
rate Data Storage: 1.00
rate Data Writes: 5.00, from 2026-01-10
rate Data Reads: 2.60
rate Audit: 1.00
contract main: 2026-01-01
credit Small: 30.00 from 2026-01-01 to 2026-02-01
usage reads: 10 on 2026-01-20
usage storage: 10 on 2026-01-02
usage writes: 2 on 2026-01-12

> drafts at 2026-01-31
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Data Storage                                                            10 × 1.00          10.00
|   Data Writes [01-10 → 02-01]                                              2 × 5.00          10.00
|   Data Reads                                                              10 × 2.60          26.00  ← Small #1
|   Small applied                                                                             −26.00
|   Audit                                                                    4 × 1.00           4.00  ← Small #1
|   Small applied                                                                              −4.00
|   Audit                                                                    6 × 1.00           6.00
|   total                                                                                      26.00

# 30 = 26 for reads, then 4 of the 10 for Audit, which comes before Data Storage. Data Writes cost most, but their line
# begins on the 10th.
