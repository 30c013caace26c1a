#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/term.h"
#include "report/tool.h"

int main(int argc, char **argv)
{
    if (argc < 2)
        return cmd_help(0, NULL);
    const char *name = argv[1];
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        printf("loadline %s (%s)\n", tool_version(),
               tool_commit()[0] ? tool_commit() : "no commit");
        return 0;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return cmd_help(0, NULL);
    const struct command *c = command_find(name);
    if (c && !c->options && argc > 2 &&
        (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0)) {
        command_help(c);
        return 0;
    }
    if (c)
        return c->run(argc - 2, argv + 2);
    const char *near = options_nearest(name, command_name_at, NULL);
    if (near)
        term_say("unknown command \"%s\"; did you mean %s?", name, near);
    else
        term_say("unknown command \"%s\"; `loadline help` lists them", name);
    return 1;
}
