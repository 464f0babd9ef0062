/* SPDX-License-Identifier: MIT
 *
 * guest/settings.c: finds KEY=on or KEY=off in a list of words. The last one wins, as on a command line.
 */
#include <stddef.h>

#include "guest/settings.h"

/* The value when the word at `s` begins with key and '=', else NULL. */
static const char *value_of(const char *s, const char *key)
{
    while (*key && *s == *key)
        s++, key++;
    return !*key && *s == '=' ? s + 1 : NULL;
}

static bool word_is(const char *s, const char *word)
{
    while (*word && *s == *word)
        s++, word++;
    return !*word && (!*s || *s == ' ');
}

bool settings_on(const char *settings, const char *key, bool otherwise)
{
    bool on = otherwise;

    for (const char *s = settings; *s;) {
        const char *value = value_of(s, key);

        if (value && word_is(value, "on"))
            on = true;
        if (value && word_is(value, "off"))
            on = false;
        while (*s && *s != ' ')
            s++;
        while (*s == ' ')
            s++;
    }
    return on;
}
