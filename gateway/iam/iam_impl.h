/* Inside iam: the directory itself. */
#ifndef DOL_IAM_IMPL_H
#define DOL_IAM_IMPL_H

#include "iam_picture.h"

#include <pthread.h>

struct iam {
    struct iam_identity root;
    struct store *store;  /* NULL until iam_load() */
    pthread_mutex_t lock; /* guards all below; held for a few instructions */
    struct iam_picture *picture;
    bool changing; /* one change at a time, from what it looks at to the new picture */
    struct waiter_list waiting;
};

/* The picture of now, held: iam_picture_release() ends it. */
struct iam_picture *iam_picture_hold(struct iam *iam);

#endif
