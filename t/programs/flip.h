/*
 * flip: the file that flip-attacker (outside) and flip-victim (in the sandbox) map and share.
 *
 * Fixed widths: a 64-bit attacker and a 32-bit victim see the same. Two objects stand behind each name, "good" and "evil", which
 * differ in four letters only; the letters are aligned, so one store flips a name as a whole, and four stores tear it.
 */
#ifndef NURSE_T_FLIP_H
#define NURSE_T_FLIP_H

#include <assert.h>
#include <stdint.h>
#include <sys/un.h>

enum { FLIP_GOOD_SIZE = 100, FLIP_EVIL_SIZE = 200 };    /* of the files: how the victim tells them apart */

struct flip {
    uint64_t flips;           /* counted by the attacker */
    uint32_t path_at;         /* offset in `path` of the name: DIR/good */
    uint32_t link_at;         /* offset in `link` of the path through the swapped link: DIR/link/file */
    uint32_t addr_at;         /* offset in `addr` of the sockaddr_un: DIR/sock/good */
    uint32_t addr_len;
    uint64_t how[3];          /* struct open_how: flags flips between O_RDONLY and O_WRONLY */
    char dir[64];             /* DIR */
    char path[128];
    char link[128];
    char addr[192];
};
static_assert(sizeof(struct flip) == 560, "the same for both classes");

#endif
