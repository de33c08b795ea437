# Services in euros, also on a day on which dates stand on the usage invoice: they have an invoice of their own. When the
# contract is renewed in March, what would have been asked for after that is dropped.

card euro: EUR
contract main: 2026-01-01, on euro, charges on usage invoices
charge Fee: 100.00 on 2026-02-01, EUR
service Training: 10 at 150.00, at most 4,000.00
services 2026-02-01: 3 of Training
services 2026-02-01T09: 2.5 at 99.99 of Training, 0.00 for Training
services 2026-04-01: 400.00 for Training

> drafts at 2026-01-15
| USAGE main  2026-01-01 → 2026-02-01  EUR
|   Fee                                                                    1 × 100.00         100.00
|   total                                                                                     100.00
|
| SCHEDULED main  2026-02-01  EUR
|   Training                                                               3 × 150.00         450.00
|   total                                                                                     450.00
|
| SCHEDULED main  2026-02-01T09  EUR
|   Training                                                              2.5 × 99.99        249.975
|   Training                                                                 1 × 0.00           0.00
|   total                                                                                    249.975
|
| SCHEDULED main  2026-04-01  EUR
|   Training                                                               1 × 400.00         400.00
|   total                                                                                     400.00
contract next: 2026-03-01, on euro, renews main
> finalize at 2026-05-02
| USAGE main  2026-01-01 → 2026-02-01  EUR
|   Fee                                                                    1 × 100.00         100.00
|   total                                                                                     100.00
|
| SCHEDULED main  2026-02-01  EUR
|   Training                                                               3 × 150.00         450.00
|   total                                                                                     450.00
|
| SCHEDULED main  2026-02-01T09  EUR
|   Training                                                              2.5 × 99.99        249.975
|   Training                                                                 1 × 0.00           0.00
|   total                                                                                    249.975
|
| USAGE main  2026-02-01 → 2026-03-01  EUR
|   total                                                                                       0.00
|
| USAGE next  2026-03-01 → 2026-04-01  EUR
|   total                                                                                       0.00
|
| USAGE next  2026-04-01 → 2026-05-01  EUR
|   total                                                                                       0.00
