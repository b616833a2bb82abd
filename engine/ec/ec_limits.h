/* Between ec.c and ec_selftest.c only: array bounds, and the geometry and parity rows of an ec. */
#ifndef DOL_EC_LIMITS_H
#define DOL_EC_LIMITS_H

#include "ec.h"

#define EC_DATA_MAX   32u
#define EC_PARITY_MAX 8u
#define EC_UNITS_MAX  (EC_DATA_MAX + EC_PARITY_MAX)

unsigned ec_data_units(const struct ec *ec);
unsigned ec_parity_units(const struct ec *ec);
/* m rows of k coefficients. */
const uint8_t *ec_parity_rows(const struct ec *ec);

#endif
