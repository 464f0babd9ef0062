/* SPDX-License-Identifier: MIT
 *
 * services/proc/users.c: user and group ids.
 *
 * The first process is root, and a set-uid to another user is believed: ids are
 * remembered and reported. Files' permissions are fs's business.
 */
#include "services/proc/process.h"

enum { REAL, EFFECTIVE, SAVED };

long proc_call_getuid(void *self, struct call *call)
{
    return proc_caller(self, call)->uid[REAL];
}

long proc_call_geteuid(void *self, struct call *call)
{
    return proc_caller(self, call)->uid[EFFECTIVE];
}

long proc_call_getgid(void *self, struct call *call)
{
    return proc_caller(self, call)->gid[REAL];
}

long proc_call_getegid(void *self, struct call *call)
{
    return proc_caller(self, call)->gid[EFFECTIVE];
}

/* As setuid(2): root changes all three, others only the effective one, to one they have. */
static long set_id(uint32_t ids[3], uint32_t id, bool root)
{
    if (id == UINT32_MAX)
        return -EINVAL;
    if (!root && id != ids[REAL] && id != ids[SAVED])
        return -EPERM;
    if (root)
        ids[REAL] = ids[SAVED] = id;
    ids[EFFECTIVE] = id;
    return 0;
}

long proc_call_setuid(void *self, struct call *call)
{
    struct process *p = proc_caller(self, call);

    return set_id(p->uid, (uint32_t)call->arg[0], p->uid[EFFECTIVE] == 0);
}

long proc_call_setgid(void *self, struct call *call)
{
    struct process *p = proc_caller(self, call);

    return set_id(p->gid, (uint32_t)call->arg[0], p->uid[EFFECTIVE] == 0);
}

/* No supplementary groups. */
long proc_call_getgroups(void *self, struct call *call)
{
    return (int)call->arg[0] < 0 ? -EINVAL : 0;
}
