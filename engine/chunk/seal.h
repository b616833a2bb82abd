/*
 * Seal: AES-256-GCM over a record's body, the 64-byte record header as additional data (record.h). A sealer owns one
 * (data key, life) pair and its counter: every record takes the next nonce, none is ever issued twice. An opener finds
 * the key for any (key id, life), and caches key schedules.
 */
#ifndef DOL_SEAL_H
#define DOL_SEAL_H

#include "keyring.h"
#include "record.h"

struct sealer; /* of one open slab; used by its loop only */

/* For the slab's life, with the keyring's current key and counter 0. A life gets one sealer, ever. keys NULL: records
 * are not sealed (trailer CRC). */
DOL_MUST_CHECK enum dol_err sealer_new(const struct keyring *keys, struct uuid life, struct sealer **out);
void sealer_free(struct sealer *s);

/*
 * Completes h (seal, key_id, seal_life, seal_counter) and lays down the encoded header, the sealed body, the trailer
 * and the alignment gap, straight into the units they lie in: `dest` gives the next destination, at most *len bytes (it
 * may reduce *len), which is filled before the next call. The body is the concatenation of `parts`; h->body_bytes must
 * be their sum. Plain bytes are only read. On entry of `dest`, *len is what is left of the record. EUNSUPPORTED: the
 * cipher failed; the nonce is spent and what was laid down is void.
 */
typedef uint8_t *seal_dest_fn(void *arg, size_t *len);
DOL_MUST_CHECK enum dol_err sealer_put(struct sealer *s, struct record_header *h, const struct bytes *parts,
                                       unsigned part_count, seal_dest_fn *dest, void *arg);

struct opener; /* shared by threads; small cache of derived keys behind a mutex */
DOL_MUST_CHECK enum dol_err opener_new(const struct keyring *keys, struct opener **out);
void opener_free(struct opener *o);

/*
 * Opens one whole stored record (header, body, trailer; with or without alignment gap) in place: the body in `record`
 * becomes plain. *body borrows from record. h and body are set on success only; after a failed tag the body's bytes are
 * zero. ECORRUPT: header, length, tag or CRC fails, or the record is unsealed though there are keys (an encrypted pool
 * holds none, it would be forged). EKEY: unknown key id, or sealed and no keys. EFORMAT. ENOMEM.
 */
DOL_MUST_CHECK enum dol_err opener_open(struct opener *o, uint8_t *record, size_t len, struct record_header *h,
                                        struct bytes *body);

#endif
