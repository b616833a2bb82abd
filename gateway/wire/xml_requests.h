/* Typed readers for the XML bodies of S3 requests. https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html
 */
#ifndef DOL_XML_REQUESTS_H
#define DOL_XML_REQUESTS_H

#include "checksum.h"
#include "xml.h"

#define XML_DELETE_OBJECTS_MAX 1000u
#define XML_UPLOAD_PARTS_MAX   10000u

struct xml_delete_object {
    struct bytes key;         /* never empty */
    struct bytes version_id;  /* empty: none given */
    struct bytes etag;        /* empty: none given */
    bool has_other_condition; /* LastModifiedTime or Size: of directory buckets */
};

struct xml_delete {
    bool quiet;
    struct xml_delete_object *objects;
    unsigned count; /* 1..XML_DELETE_OBJECTS_MAX */
};

/* ESYNTAX (S3: MalformedXML): also for no object, too many, or one without a key. ETOOLARGE, ENOMEM. */
DOL_MUST_CHECK enum dol_err xml_parse_delete_objects(struct bytes body, struct arena *a, struct xml_delete *out);

struct xml_create_bucket {
    struct bytes location; /* empty: none given */
};

/* An empty body is right, and gives no location. Errors as above. */
DOL_MUST_CHECK enum dol_err xml_parse_create_bucket(struct bytes body, struct arena *a, struct xml_create_bucket *out);

struct xml_versioning {
    struct bytes status;     /* empty: none given */
    struct bytes mfa_delete; /* likewise */
};

/* Errors as above. */
DOL_MUST_CHECK enum dol_err xml_parse_versioning(struct bytes body, struct arena *a, struct xml_versioning *out);

#define XML_TAGS_MAX 50u

struct xml_tag {
    struct bytes name;
    struct bytes value;
};

struct xml_tagging {
    struct xml_tag tags[XML_TAGS_MAX];
    unsigned count;
};

/* A tag without a name or value, or more than XML_TAGS_MAX: ESYNTAX. Errors as above. */
DOL_MUST_CHECK enum dol_err xml_parse_tagging(struct bytes body, struct arena *a, struct xml_tagging *out);

struct xml_upload_part {
    uint32_t number; /* 0: not a number from 1 to XML_UPLOAD_PARTS_MAX */
    bool has_md5;    /* false: the ETag is not that of a part */
    uint8_t md5[16];
    bool bad_checksum;        /* not base64 of its algorithm's length, or more than one */
    struct checksum checksum; /* alg CHECKSUM_NONE: none given */
};

struct xml_complete_upload {
    struct xml_upload_part *parts;
    unsigned count; /* 1..XML_UPLOAD_PARTS_MAX */
};

/* ESYNTAX: also for no part, too many, or one without a number or ETag. Errors as above. */
DOL_MUST_CHECK enum dol_err xml_parse_complete_upload(struct bytes body, struct arena *a,
                                                      struct xml_complete_upload *out);

#endif
