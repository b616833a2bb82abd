/* Dates of HTTP and S3. The calendar arithmetic counts days from 1 March of year 0, where leap days come last. */
#include "http_date.h"
#include "dol_assert.h"
#include <stdio.h>

static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char weekdays[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char weekdays_long[7][10] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

#define DAY_S         86400
#define DAYS_OF_ERA   146097 /* 400 years */
#define DAYS_TO_EPOCH 719468 /* 0000-03-01 to 1970-01-01 */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* 0 <= result < b, also where floor_div(a, b) * b would overflow. */
static int64_t floor_mod(int64_t a, int64_t b)
{
    return a % b + (a % b < 0 ? b : 0);
}

int64_t http_date_from_civil(const struct http_date_civil *c)
{
    int64_t year = c->month <= 2 ? c->year - 1 : c->year;
    int64_t era = floor_div(year, 400);
    int64_t year_of_era = year - era * 400;
    int64_t month = c->month > 2 ? c->month - 3 : c->month + 9; /* March is 0 */
    int64_t day_of_year = (153 * month + 2) / 5 + c->day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    int64_t days = era * DAYS_OF_ERA + day_of_era - DAYS_TO_EPOCH;
    return days * DAY_S + c->hour * 3600 + c->minute * 60 + c->second;
}

void http_date_to_civil(int64_t time_s, struct http_date_civil *c)
{
    int64_t day = floor_div(time_s, DAY_S);
    int64_t second = floor_mod(time_s, DAY_S);
    int64_t days = day + DAYS_TO_EPOCH;
    int64_t era = floor_div(days, DAYS_OF_ERA);
    int64_t day_of_era = days - era * DAYS_OF_ERA;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    c->day = (unsigned)(day_of_year - (153 * month + 2) / 5 + 1);
    c->month = (unsigned)(month < 10 ? month + 3 : month - 9);
    c->year = year_of_era + era * 400 + (c->month <= 2 ? 1 : 0);
    c->hour = (unsigned)(second / 3600);
    c->minute = (unsigned)(second / 60 % 60);
    c->second = (unsigned)(second % 60);
}

/* ---- a cursor over the text ---- */

struct cursor {
    const char *at;
    const char *end;
    bool ok;
};

static struct cursor cursor_of(struct bytes text)
{
    const char *s = text.data;
    return (struct cursor){s, s + text.len, true};
}

static void want(struct cursor *c, const char *literal)
{
    size_t n = strlen(literal);
    c->ok = c->ok && (size_t)(c->end - c->at) >= n && memcmp(c->at, literal, n) == 0;
    if (c->ok)
        c->at += n;
}

static unsigned number(struct cursor *c, unsigned digits)
{
    unsigned n = 0;
    if (!c->ok || (size_t)(c->end - c->at) < digits) {
        c->ok = false;
        return 0;
    }
    for (unsigned i = 0; i < digits; i++, c->at++) {
        if (*c->at < '0' || *c->at > '9')
            c->ok = false;
        n = n * 10 + (unsigned)(*c->at - '0');
    }
    return n;
}

static bool next_is(const struct cursor *c, char ch)
{
    return c->ok && c->at < c->end && *c->at == ch;
}

static unsigned month_name(struct cursor *c)
{
    for (unsigned i = 0; i < 12 && c->ok && c->end - c->at >= 3; i++) {
        if (memcmp(c->at, months[i], 3) == 0) {
            c->at += 3;
            return i + 1;
        }
    }
    c->ok = false;
    return 0;
}

static bool weekday_name(struct cursor *c, const char *name)
{
    size_t n = strlen(name);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, name, n) != 0)
        return false;
    c->at += n;
    return true;
}

static void clock_time(struct cursor *c, struct http_date_civil *t)
{
    t->hour = number(c, 2);
    want(c, ":");
    t->minute = number(c, 2);
    want(c, ":");
    t->second = number(c, 2);
}

static bool is_date(const struct http_date_civil *t)
{
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (t->month < 1 || t->month > 12 || t->hour > 23 || t->minute > 59 || t->second > 60)
        return false;
    bool leap = (t->year % 4 == 0 && t->year % 100 != 0) || t->year % 400 == 0;
    unsigned last = days[t->month - 1] + (t->month == 2 && leap ? 1u : 0u);
    return t->day >= 1 && t->day <= last;
}

static bool finish(const struct cursor *c, const struct http_date_civil *t, int64_t *time_s)
{
    if (!c->ok || c->at != c->end || !is_date(t))
        return false;
    *time_s = http_date_from_civil(t);
    return true;
}

/* ---- parsing ---- */

/* "06 Nov 1994 08:49:37 GMT", after "Sun, " */
static void imf_rest(struct cursor *c, struct http_date_civil *t)
{
    t->day = number(c, 2);
    want(c, " ");
    t->month = month_name(c);
    want(c, " ");
    t->year = number(c, 4);
    want(c, " ");
    clock_time(c, t);
    want(c, " GMT");
}

/* "06-Nov-94 08:49:37 GMT", after "Sunday, ". Two-digit years up to 69 mean 20xx, as POSIX has it. */
static void rfc850_rest(struct cursor *c, struct http_date_civil *t)
{
    t->day = number(c, 2);
    want(c, "-");
    t->month = month_name(c);
    want(c, "-");
    unsigned year = number(c, 2);
    t->year = year < 70 ? 2000 + year : 1900 + year;
    want(c, " ");
    clock_time(c, t);
    want(c, " GMT");
}

/* "Nov  6 08:49:37 1994", after "Sun " */
static void asctime_rest(struct cursor *c, struct http_date_civil *t)
{
    t->month = month_name(c);
    want(c, " ");
    if (next_is(c, ' ')) {
        want(c, " ");
        t->day = number(c, 1);
    } else {
        t->day = number(c, 2);
    }
    want(c, " ");
    clock_time(c, t);
    want(c, " ");
    t->year = number(c, 4);
}

bool http_date_parse(struct bytes text, int64_t *time_s)
{
    struct http_date_civil t = {0};
    struct cursor c = cursor_of(text);
    for (unsigned i = 0; i < 7; i++) {
        if (weekday_name(&c, weekdays_long[i])) {
            want(&c, ", ");
            rfc850_rest(&c, &t);
            return finish(&c, &t, time_s);
        }
        if (weekday_name(&c, weekdays[i])) {
            if (next_is(&c, ',')) {
                want(&c, ", ");
                imf_rest(&c, &t);
            } else {
                want(&c, " ");
                asctime_rest(&c, &t);
            }
            return finish(&c, &t, time_s);
        }
    }
    return false;
}

bool http_date_parse_basic(struct bytes text, int64_t *time_s)
{
    struct http_date_civil t = {0};
    struct cursor c = cursor_of(text);
    t.year = number(&c, 4);
    t.month = number(&c, 2);
    t.day = number(&c, 2);
    want(&c, "T");
    t.hour = number(&c, 2);
    t.minute = number(&c, 2);
    t.second = number(&c, 2);
    want(&c, "Z");
    return finish(&c, &t, time_s);
}

/* Up to nine digits count, more are cut off. */
static int64_t fraction(struct cursor *c)
{
    int64_t ns = 0;
    unsigned digits = 0;
    if (!next_is(c, '.'))
        return 0;
    for (c->at++; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++, digits++)
        if (digits < 9)
            ns = ns * 10 + (*c->at - '0');
    if (digits == 0)
        c->ok = false;
    for (; digits < 9; digits++)
        ns *= 10;
    return ns;
}

static int64_t offset_s(struct cursor *c)
{
    if (next_is(c, '+') || next_is(c, '-')) {
        int64_t sign = *c->at++ == '-' ? -1 : 1;
        unsigned hours = number(c, 2);
        want(c, ":");
        unsigned minutes = number(c, 2);
        if (hours > 23 || minutes > 59)
            c->ok = false;
        return sign * (int64_t)(hours * 3600 + minutes * 60);
    }
    want(c, "Z");
    return 0;
}

static bool iso_read(struct bytes text, int64_t *time_s, int64_t *ns)
{
    struct http_date_civil t = {0};
    struct cursor c = cursor_of(text);
    int64_t offset = 0;
    *ns = 0;
    t.year = number(&c, 4);
    want(&c, "-");
    t.month = number(&c, 2);
    want(&c, "-");
    t.day = number(&c, 2);
    if (c.at != c.end) {
        want(&c, "T");
        clock_time(&c, &t);
        *ns = fraction(&c);
        offset = offset_s(&c);
    }
    if (!finish(&c, &t, time_s))
        return false;
    *time_s -= offset;
    return true;
}

bool http_date_parse_iso(struct bytes text, int64_t *time_ns)
{
    int64_t time_s, ns;
    return iso_read(text, &time_s, &ns) && !__builtin_mul_overflow(time_s, 1000000000, time_ns) &&
           !__builtin_add_overflow(*time_ns, ns, time_ns);
}

bool http_date_parse_iso_s(struct bytes text, int64_t *time_s)
{
    int64_t ns;
    if (!iso_read(text, time_s, &ns))
        return false;
    *time_s += ns > 0;
    return true;
}

/* ---- formatting ---- */

static size_t checked(int n)
{
    dol_assert(n > 0 && n < (int)HTTP_DATE_TEXT_MAX);
    return (size_t)n;
}

size_t http_date_format(int64_t time_s, char out[HTTP_DATE_TEXT_MAX])
{
    struct http_date_civil t;
    http_date_to_civil(time_s, &t);
    int64_t day = floor_div(time_s, DAY_S) + 4; /* 1970-01-01 was a Thursday */
    int64_t weekday = floor_mod(day, 7);
    return checked(snprintf(out, HTTP_DATE_TEXT_MAX, "%s, %02u %s %04lld %02u:%02u:%02u GMT", weekdays[weekday], t.day,
                            months[t.month - 1], (long long)t.year, t.hour, t.minute, t.second));
}

size_t http_date_format_basic(int64_t time_s, char out[HTTP_DATE_TEXT_MAX])
{
    struct http_date_civil t;
    http_date_to_civil(time_s, &t);
    return checked(snprintf(out, HTTP_DATE_TEXT_MAX, "%04lld%02u%02uT%02u%02u%02uZ", (long long)t.year, t.month, t.day,
                            t.hour, t.minute, t.second));
}

static size_t format_iso(int64_t time_s, unsigned ms, char out[HTTP_DATE_TEXT_MAX])
{
    struct http_date_civil t;
    http_date_to_civil(time_s, &t);
    return checked(snprintf(out, HTTP_DATE_TEXT_MAX, "%04lld-%02u-%02uT%02u:%02u:%02u.%03uZ", (long long)t.year,
                            t.month, t.day, t.hour, t.minute, t.second, ms));
}

size_t http_date_format_iso(int64_t time_ns, char out[HTTP_DATE_TEXT_MAX])
{
    return format_iso(floor_div(time_ns, 1000000000), (unsigned)(floor_mod(time_ns, 1000000000) / 1000000), out);
}

size_t http_date_format_iso_s(int64_t time_s, char out[HTTP_DATE_TEXT_MAX])
{
    return format_iso(time_s, 0, out);
}
