#include "report/tool.h"

#include "commit.h" /* made by the build */

const char *tool_version(void)
{
    return LOADLINE_VERSION;
}

const char *tool_commit(void)
{
    return LOADLINE_COMMIT;
}
