# A prepaid commit asks for money on the dates of its invoice schedule. Items of one contract and date share an invoice.
# All of them are drafts until their date; a commit without a schedule is free and asks for nothing.

card nothing: USD
contract main: 2026-01-01, on nothing
prepaid Compute: 120.00 from 2026-01-01 to 2027-01-01, invoiced 60.00 on 2026-01-01, invoiced 60.00 on 2026-07-01, of main
prepaid Support: 10.00 from 2026-01-01 to 2027-01-01, invoiced 10.00 on 2026-01-01, billed to main
prepaid Gift: 10.00 from 2026-01-01 to 2027-01-01, of main

> finalize at 2026-01-01
| SCHEDULED main  2026-01-01  USD
|   Compute                                                                 1 × 60.00          60.00
|   Support                                                                 1 × 10.00          10.00
|   total                                                                                      70.00
> drafts at 2026-01-05
| USAGE main  2026-01-01 → 2026-02-01  USD
|   total                                                                                       0.00
|
| SCHEDULED main  2026-07-01  USD
|   Compute                                                                 1 × 60.00          60.00
|   total                                                                                      60.00

# A commit that is added later for a date that is already invoiced gets an invoice of its own.
prepaid Late: 5.00 from 2026-01-01 to 2027-01-01, invoiced 5.00 on 2026-01-01, of main
> finalize at 2026-01-05
| SCHEDULED main  2026-01-01  USD
|   Late                                                                     1 × 5.00           5.00
|   total                                                                                       5.00
> finalize at 2026-01-05
| nothing
