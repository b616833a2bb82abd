/*
 * The one predicate that everything asks which could end a version's life or shorten its protection: delete, overwrite
 * of a null version, lifecycle, tiering, garbage collection. It looks at nothing but its arguments.
 */
#ifndef DOL_RETENTION_H
#define DOL_RETENTION_H

#include <dolmen/object.h>

enum retention_act {
    RETENTION_ACT_DESTROY, /* the version, or its last local or tier copy, goes */
    RETENTION_ACT_SHORTEN  /* an earlier date, a weaker mode, or no retention any more */
};
enum retention_right {
    RETENTION_RIGHT_NONE,
    RETENTION_RIGHT_BYPASS_GOVERNANCE /* asked for, and permitted by policy */
};

/*
 * now_s: compliance clock. A legal hold forbids DESTROY whatever the mode and date. COMPLIANCE forbids both until its
 * date, for everybody. GOVERNANCE forbids both until its date without the bypass right. At the date itself protection
 * has ended.
 */
bool retention_allows(const struct retention *r, enum retention_act act, enum retention_right right, uint64_t now_s);

/* Whether `to` protects less than `from`, or otherwise: an earlier date, another mode, none. Legal holds aside. */
bool retention_is_weaker(const struct retention *to, const struct retention *from);

#endif
