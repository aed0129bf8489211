#ifndef FINEST_STOP_WORDS_H
#define FINEST_STOP_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* A set of UTF-8 words; adding returns false without memory. */
bool fn_stop_words_ready(void);
bool fn_stop_words_begin(size_t count);
bool fn_stop_words_add(const char *word, size_t n);
bool fn_stop_words_hold(const char *word, size_t n);

#endif
