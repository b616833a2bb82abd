/*
 * Times as HTTP and S3 write them. Seconds since 1970 are 64-bit and the calendar is the proleptic Gregorian, without
 * the C library's time zones or limits.
 */
#ifndef DOL_HTTP_DATE_H
#define DOL_HTTP_DATE_H

#include <dolmen/err.h>
#include <dolmen/types.h>

#define HTTP_DATE_TEXT_MAX 48u

struct http_date_civil {
    int64_t year;
    unsigned month; /* 1..12 */
    unsigned day;   /* 1..31 */
    unsigned hour;
    unsigned minute;
    unsigned second;
};

int64_t http_date_from_civil(const struct http_date_civil *c);
void http_date_to_civil(int64_t time_s, struct http_date_civil *c);

/* RFC 9110 section 5.6.7: IMF-fixdate, RFC 850, asctime. false when malformed or no date of the calendar. */
DOL_MUST_CHECK bool http_date_parse(struct bytes text, int64_t *time_s);
/* "20261124T061415Z", as in x-amz-date. */
DOL_MUST_CHECK bool http_date_parse_basic(struct bytes text, int64_t *time_s);
/* RFC 3339 in UTC or with an offset: "2026-11-24T06:14:15Z", "…15.123+01:00", and the bare date. Nanoseconds since
 * 1970. */
DOL_MUST_CHECK bool http_date_parse_iso(struct bytes text, int64_t *time_ns);
/* The same in seconds, up to the year 9999; a part of a second counts as a whole one. */
DOL_MUST_CHECK bool http_date_parse_iso_s(struct bytes text, int64_t *time_s);

/* Each writes a terminated text and returns its length. */
size_t http_date_format(int64_t time_s, char out[HTTP_DATE_TEXT_MAX]);       /* Tue, 24 Nov 2026 06:14:15 GMT */
size_t http_date_format_basic(int64_t time_s, char out[HTTP_DATE_TEXT_MAX]); /* 20261124T061415Z */
size_t http_date_format_iso(int64_t time_ns, char out[HTTP_DATE_TEXT_MAX]);  /* 2026-11-24T06:14:15.000Z */
size_t http_date_format_iso_s(int64_t time_s, char out[HTTP_DATE_TEXT_MAX]);

#endif
