/* Typed readers for the XML bodies of S3 requests. https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html
 */
#ifndef DOL_XML_REQUESTS_H
#define DOL_XML_REQUESTS_H

#include "xml.h"

#define XML_DELETE_OBJECTS_MAX 1000u

struct xml_delete_object {
    struct bytes key;        /* never empty */
    struct bytes version_id; /* empty: none given */
    struct bytes etag;       /* empty: none given */
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

#endif
