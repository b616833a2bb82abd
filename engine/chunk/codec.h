/* Codec: bit-exact compression of chunks. What was compressed is decoded and compared before it counts: libraries have
 * had bugs. */
#ifndef DOL_CODEC_H
#define DOL_CODEC_H

#include <dolmen/err.h>
#include <dolmen/types.h>

#include "format.h"

struct codec; /* compression and decompression contexts; one user at a time */

DOL_MUST_CHECK enum dol_err codec_new(struct codec **out);
void codec_free(struct codec *c);

/*
 * Compresses plain into out (capacity at least plain.len). Returns the codec id used: another than FORMAT_CODEC_RAW
 * with *out_len < plain.len, saving at least 1/16 after decode-and-compare, or FORMAT_CODEC_RAW (out untouched or
 * garbage: store the plain bytes). Never fails: any doubt is RAW, and so is anything longer than CHUNK_BYTES_MAX.
 * Incompressible input must be recognised cheaply (probe a sample first).
 */
uint8_t codec_encode(struct codec *c, struct bytes plain, uint8_t *out, size_t capacity, size_t *out_len);

/* The two moves of codec_encode(): the look at samples, some microseconds whatever the length, that says which codec
 * suits (RAW: none), and the work with that one, a quarter to one millisecond for a hundred KiB. */
uint8_t codec_choose(struct codec *c, struct bytes plain);
uint8_t codec_compress(struct codec *c, uint8_t codec_id, struct bytes plain, uint8_t *out, size_t capacity,
                       size_t *out_len);

/* Decodes exactly plain_len bytes into out. ECORRUPT when the data doesn't give exactly that many; EFORMAT for an
 * unknown codec. Nothing behind out[plain_len) is ever written; after an error out holds garbage. RAW copies. Usable
 * from any thread with its own codec. */
DOL_MUST_CHECK enum dol_err codec_decode(struct codec *c, uint8_t codec_id, struct bytes data, uint8_t *out,
                                         size_t plain_len);

#endif
