#ifndef LOADLINE_BASE_MEM_H
#define LOADLINE_BASE_MEM_H

/* Allocation that does not return NULL: when the machine has no memory left the program says so and
 * stops. What was measured is already in the run file, so stopping loses nothing. */

#include <stddef.h>

void *mem_alloc(size_t n);
void *mem_zero(size_t count, size_t size);
void *mem_resize(void *p, size_t n);
char *mem_strdup(const char *text);
char *mem_strndup(const char *p, size_t n);
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2), nonnull(1)));

#define MEM_NEW(type)            ((type *)mem_zero(1, sizeof(type)))
#define MEM_ARRAY(type, count)   ((type *)mem_zero((count), sizeof(type)))

#endif
