#ifndef LOADLINE_REPORT_TOOL_H
#define LOADLINE_REPORT_TOOL_H

/* Which build of the program this is. */

const char *tool_version(void); /* "0.1.0" */
const char *tool_commit(void);  /* of the source tree; "" when it was built from none */

#endif
