/* hello: the smallest program with a libc; says its class and its arguments. */
#include <stdio.h>

int main(int argc, char **argv)
{
    printf("hello from %zu bits", sizeof(void *) * 8);
    for (int i = 1; i < argc; i++)
        printf(" [%s]", argv[i]);
    printf("\n");
    return 0;
}
