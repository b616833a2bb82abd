/*
 * Reed-Solomon over GF(2^8) with ISA-L's Cauchy matrix (its Vandermonde matrix is not always invertible). ISA-L's
 * erasure code is used only here.
 */
#ifndef DOL_EC_H
#define DOL_EC_H

#include <dolmen/err.h>
#include <dolmen/types.h>

struct ec;

/* k 1..32 data units, m 0..8 parity units. Tables are made once; an ec is immutable and may be shared by threads.
 * EINVAL, ENOMEM. */
DOL_MUST_CHECK enum dol_err ec_new(unsigned k, unsigned m, struct ec **out);
void ec_free(struct ec *ec);

/* parity[0..m) from data[0..k), each `len` bytes. */
void ec_encode(const struct ec *ec, const uint8_t *const *data, uint8_t *const *parity, size_t len);

/*
 * Recomputes the units whose index is in `bad` from k good ones. units[0..k+m): data first, then parity; good units
 * hold their bytes, bad ones receive theirs. present[i] says which inputs may be used. EINCOMPLETE when fewer than k
 * are present. No unit in `bad` may be present; units that are neither are left alone.
 */
DOL_MUST_CHECK enum dol_err ec_reconstruct(const struct ec *ec, uint8_t *const *units, const bool *present,
                                           const unsigned *bad, unsigned bad_count, size_t len);

/* Encodes a fixed pattern and reconstructs it under every erasure pattern of up to m units (geometries with more than
 * 4096 patterns: all of one and two units, and a fixed sample of 2048 larger ones). EUNSUPPORTED if any differs: the
 * library can't be trusted with data. ENOMEM. Run at start for each geometry in use. */
DOL_MUST_CHECK enum dol_err ec_selftest(const struct ec *ec);

#endif
