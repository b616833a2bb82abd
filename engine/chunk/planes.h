/*
 * Planes: the reversible rearrangement of 16-bit samples that FORMAT_CODEC_PLANES compresses (docs/format.md, 9.1).
 *
 * Each byte becomes its difference, modulo 256, from the byte two before it (from 0, where there is none); the
 * differences of the bytes at even offsets come first, those at odd ones behind. Neighbouring pixels are alike, so one
 * plane is nearly constant and the other near zero. Low and high bytes are never mixed, hence it makes no difference
 * whether samples begin at even or odd offsets, and which order their bytes have.
 */
#ifndef DOL_PLANES_H
#define DOL_PLANES_H

#include <stddef.h>
#include <stdint.h>

/* plain, planes: len bytes each, not overlapping, at any alignment. */
void planes_split(const uint8_t *plain, size_t len, uint8_t *planes);
void planes_join(const uint8_t *planes, size_t len, uint8_t *plain);

#endif
