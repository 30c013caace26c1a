#include "decide/runner.h"

void probed_release(struct probed *p)
{
    samples_release(&p->set);
    *p = (struct probed){0};
}
