/* The gear table, computed by the compiler from its rule (split_gear.h). */
#include "split_gear.h"

#define SEED UINT64_C(0x646f6c6d656e2031)

/* splitmix64: the state advances by a constant, each output mixes the state. */
#define STATE(i) (SEED + ((i) + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15))
#define MIX1(z)  (((z) ^ ((z) >> 30)) * UINT64_C(0xbf58476d1ce4e5b9))
#define MIX2(z)  (((z) ^ ((z) >> 27)) * UINT64_C(0x94d049bb133111eb))
#define MIX3(z)  ((z) ^ ((z) >> 31))
#define GEAR(i)  MIX3(MIX2(MIX1(STATE(i))))

#define GEAR_4(i)  GEAR(i), GEAR((i) + 1), GEAR((i) + 2), GEAR((i) + 3)
#define GEAR_16(i) GEAR_4(i), GEAR_4((i) + 4), GEAR_4((i) + 8), GEAR_4((i) + 12)
#define GEAR_64(i) GEAR_16(i), GEAR_16((i) + 16), GEAR_16((i) + 32), GEAR_16((i) + 48)

const uint64_t split_gear[256] = {GEAR_64(0), GEAR_64(64), GEAR_64(128), GEAR_64(192)};
