/* The handlers that the route table names, one per operation. Each is [await] and answers, or returns the error to
 * answer. */
#ifndef DOL_S3_HANDLERS_H
#define DOL_S3_HANDLERS_H

#include "s3_request.h"
#include "xml.h"

typedef enum s3_error s3_handler_fn(struct s3_request *rq);

/* s3_bucket.c */
s3_handler_fn s3_list_buckets;
s3_handler_fn s3_create_bucket;
s3_handler_fn s3_head_bucket;
s3_handler_fn s3_delete_bucket;

/* s3_settings.c: versioning, and statements about buckets and objects that are true of every one of them */
s3_handler_fn s3_get_bucket_location;
s3_handler_fn s3_get_bucket_versioning;
s3_handler_fn s3_put_bucket_versioning;
s3_handler_fn s3_get_bucket_acl;
s3_handler_fn s3_get_bucket_request_payment;
s3_handler_fn s3_get_bucket_logging;
s3_handler_fn s3_get_bucket_notification;
s3_handler_fn s3_get_object_acl;

/* s3_setting.c: documents of buckets, by sub-resource; and what is off */
s3_handler_fn s3_get_setting;
s3_handler_fn s3_put_setting;
s3_handler_fn s3_delete_setting;
s3_handler_fn s3_put_bucket_request_payment;
s3_handler_fn s3_put_bucket_logging;
s3_handler_fn s3_delete_bucket_website;

/* s3_policy.c */
s3_handler_fn s3_get_bucket_policy;
s3_handler_fn s3_put_bucket_policy;
s3_handler_fn s3_delete_bucket_policy;
s3_handler_fn s3_get_bucket_policy_status;

/* s3_tags.c */
s3_handler_fn s3_get_object_tagging;
s3_handler_fn s3_put_object_tagging;
s3_handler_fn s3_delete_object_tagging;

/* s3_lifecycle.c */
s3_handler_fn s3_put_lifecycle;

/* s3_lock.c */
s3_handler_fn s3_get_object_lock;
s3_handler_fn s3_put_object_lock;
s3_handler_fn s3_get_object_retention;
s3_handler_fn s3_put_object_retention;
s3_handler_fn s3_get_object_legal_hold;
s3_handler_fn s3_put_object_legal_hold;

/* s3_list.c */
s3_handler_fn s3_list_objects_v1;
s3_handler_fn s3_list_objects_v2;

/* s3_version_list.c */
s3_handler_fn s3_list_versions;

/* s3_get.c */
s3_handler_fn s3_get_object;
s3_handler_fn s3_head_object;

/* s3_put.c */
s3_handler_fn s3_put_object;

/* s3_copy.c */
s3_handler_fn s3_copy_object;

/* s3_attributes.c */
s3_handler_fn s3_get_object_attributes;

/* s3_upload.c */
s3_handler_fn s3_create_upload;
s3_handler_fn s3_abort_upload;

/* s3_part.c */
s3_handler_fn s3_upload_part;
s3_handler_fn s3_upload_part_copy;

/* s3_complete.c */
s3_handler_fn s3_complete_upload;

/* s3_part_list.c, s3_upload_list.c */
s3_handler_fn s3_list_parts;
s3_handler_fn s3_list_uploads;

/* s3_delete.c */
s3_handler_fn s3_delete_object;
s3_handler_fn s3_delete_objects;

/* ---- shared by several of them ---- */

/* <Owner><ID/><DisplayName/></Owner>; the display name is the signer's for the signer's own id. */
void s3_write_owner(struct xml_writer *w, const struct s3_request *rq, const char *element, struct bytes id);

#endif
