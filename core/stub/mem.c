/*
 * mem: the four functions that gcc may call behind our back even in freestanding code.
 *
 * Runs in the stub. Written with string instructions, so that the compiler can't recognise a loop as "memset" and make the
 * function call itself; no SSE, because the program's vector registers must stay as exec left them. Test: t/11-unit-loader.t.
 */
#include <stddef.h>

void *memcpy(void *to, const void *from, size_t length);
void *memmove(void *to, const void *from, size_t length);
void *memset(void *to, int byte, size_t length);
int memcmp(const void *left, const void *right, size_t length);

void *memcpy(void *to, const void *from, size_t length)
{
    void *result = to;

    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(length) : : "memory");
    return result;
}

void *memmove(void *to, const void *from, size_t length)
{
    char *last = (char *)to + length - 1;
    const char *source = (const char *)from + length - 1;

    if ((const char *)to <= (const char *)from)
        return memcpy(to, from, length);
    __asm__ volatile("std\n\trep movsb\n\tcld" : "+D"(last), "+S"(source), "+c"(length) : : "memory", "cc");
    return to;
}

void *memset(void *to, int byte, size_t length)
{
    void *result = to;

    __asm__ volatile("rep stosb" : "+D"(to), "+c"(length) : "a"(byte) : "memory");
    return result;
}

int memcmp(const void *left, const void *right, size_t length)
{
    const unsigned char *a = left, *b = right;

    for (; length; length--, a++, b++)
        if (*a != *b)
            return *a - *b;
    return 0;
}
