# An anchor on the 31st falls on the last day of shorter months, 29 February in a leap year, and comes back to the 31st.

metric calls: SUM
product Calls: metric calls
rate Calls: 1.00
contract main: 2028-01-31, anchor 2028-01-31
contract quarterly: 2027-11-30, anchor 2027-11-30, quarterly
contract weekly: 2028-02-27, anchor 2028-02-27, weekly, 
usage calls: 1 daily 2027-11-30 to 2028-06-01

> drafts at 2028-04-01
| USAGE quarterly  2027-11-30 → 2028-02-29  USD
|   Calls                                                                   91 × 1.00          91.00
|   total                                                                                      91.00
|
| USAGE main  2028-01-31 → 2028-02-29  USD
|   Calls                                                                   29 × 1.00          29.00
|   total                                                                                      29.00
|
| USAGE weekly  2028-02-27 → 2028-03-05  USD
|   Calls                                                                    7 × 1.00           7.00
|   total                                                                                       7.00
|
| USAGE weekly  2028-03-05 → 2028-03-12  USD
|   Calls                                                                    7 × 1.00           7.00
|   total                                                                                       7.00
|
| USAGE weekly  2028-03-12 → 2028-03-19  USD
|   Calls                                                                    7 × 1.00           7.00
|   total                                                                                       7.00
|
| USAGE weekly  2028-03-19 → 2028-03-26  USD
|   Calls                                                                    7 × 1.00           7.00
|   total                                                                                       7.00
|
| USAGE main  2028-02-29 → 2028-03-31  USD
|   Calls                                                                   31 × 1.00          31.00
|   total                                                                                      31.00
|
| USAGE weekly  2028-03-26 → 2028-04-02  USD
|   Calls                                                                    7 × 1.00           7.00
|   total                                                                                       7.00
|
| USAGE main  2028-03-31 → 2028-04-30  USD
|   Calls                                                                   30 × 1.00          30.00
|   total                                                                                      30.00
|
| USAGE quarterly  2028-02-29 → 2028-05-30  USD
|   Calls                                                                   91 × 1.00          91.00
|   total                                                                                      91.00
