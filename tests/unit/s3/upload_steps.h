/* Steps of multipart uploads that several tests take: each asserts that it succeeds. */
#ifndef DOL_UPLOAD_STEPS_H
#define DOL_UPLOAD_STEPS_H

#include "s3_client.h"

#define STEP_PART_BYTES (5u << 20) /* the smallest that another part may follow */

struct step_upload {
    struct client *c;
    const char *path; /* "/bucket/key" */
    char id[33];
    char list[8192]; /* the parts so far, as Complete wants them */
};

/* headers: of the request, ended by a NULL name; or NULL. */
void step_create(struct step_upload *u, struct client *c, const char *path, const struct client_header *headers);
/* "path?partNumber=N&uploadId=ID"; until the next call. */
const char *step_target(const struct step_upload *u, unsigned number);
/* "path?uploadId=ID". */
const char *step_upload_target(const struct step_upload *u);
/* A part from a body; added to the list. */
void step_part(struct step_upload *u, unsigned number, const char *body, const struct client_header *headers);
/* A part of STEP_PART_BYTES 'b's from /bucket/big (see step_big); added to the list. */
void step_big_part(struct step_upload *u, unsigned number);
/* Puts /bucket/big behind the gateway's back. */
void step_big(struct client *c);
/* <CompleteMultipartUpload> around the list; until the next call. */
const char *step_document(const struct step_upload *u);
void step_complete(struct step_upload *u);

#endif
