#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/term.h"

/* Both scripts are written from the option tables, so that they offer what the program takes. */

static void put_choices(const char *choices)
{
    for (const char *p = choices; *p; p++)
        putchar(*p == '|' ? ' ' : *p);
}

static void bash_values(const struct option *o)
{
    if (o->choices) {
        printf("        --%s) COMPREPLY=($(compgen -W \"", o->name);
        put_choices(o->choices);
        printf("\" -- \"$cur\")); return;;\n");
    } else if (o->type == OPTION_PATH) {
        printf("        --%s) COMPREPLY=($(compgen -f -- \"$cur\")); return;;\n", o->name);
    } else if (o->type != OPTION_FLAG && o->type != OPTION_GROUP) {
        printf("        --%s) return;;\n", o->name);
    }
}

static void bash_command(const struct command *c)
{
    printf("    %s)\n        case \"$prev\" in\n", c->name);
    const struct option *o;
    for (size_t i = 0; (o = option_at(c->options, i)); i++)
        bash_values(o);
    printf("        esac\n        case \"$cur\" in -*) COMPREPLY=($(compgen -W \"");
    for (size_t i = 0; (o = option_at(c->options, i)); i++)
        if (o->type != OPTION_GROUP)
            printf("--%s ", o->name);
    printf("\" -- \"$cur\"));; *) COMPREPLY=($(compgen -f -- \"$cur\"));; esac;;\n");
}

static void bash(void)
{
    printf("_loadline() {\n"
           "    local cur=\"${COMP_WORDS[COMP_CWORD]}\" prev=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
           "    COMPREPLY=()\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
           "        COMPREPLY=($(compgen -W \"");
    for (const struct command *c = COMMANDS; c->name; c++)
        printf("%s ", c->name);
    printf("\" -- \"$cur\")); return\n    fi\n    case \"${COMP_WORDS[1]}\" in\n");
    for (const struct command *c = COMMANDS; c->name; c++)
        if (c->options)
            bash_command(c);
    printf("    completion) COMPREPLY=($(compgen -W \"bash zsh\" -- \"$cur\"));;\n"
           "    help) COMPREPLY=($(compgen -W \"");
    for (const struct command *c = COMMANDS; c->name; c++)
        printf("%s ", c->name);
    printf("targets load result\" -- \"$cur\"));;\n"
           "    esac\n}\ncomplete -F _loadline loadline\n");
}

/* Text inside zsh's '…[…]': brackets, colons and quotes have a meaning there. */
static void zsh_text(const char *text)
{
    for (; *text; text++) {
        if (strchr("[]:", *text))
            putchar('\\');
        if (*text == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*text);
    }
}

static void zsh_option(const struct option *o)
{
    if (o->type == OPTION_GROUP)
        return;
    printf(" \\\n        '%s--%s[", o->type == OPTION_LIST ? "*" : "", o->name);
    zsh_text(o->help);
    printf("]");
    if (o->choices) {
        printf(":value:(");
        put_choices(o->choices);
        printf(")");
    } else if (o->type == OPTION_PATH) {
        printf(":file:_files");
    } else if (o->type != OPTION_FLAG) {
        printf(":value:");
    }
    printf("'");
}

static void zsh(void)
{
    printf("#compdef loadline\n_loadline() {\n"
           "    if (( CURRENT == 2 )); then\n        local -a commands=(\n");
    for (const struct command *c = COMMANDS; c->name; c++) {
        printf("            '%s:", c->name);
        zsh_text(c->what);
        printf("'\n");
    }
    printf("        )\n        _describe command commands\n        return\n    fi\n"
           "    local name=$words[2]\n    shift words\n    (( CURRENT-- ))\n    case $name in\n");
    for (const struct command *c = COMMANDS; c->name; c++) {
        if (!c->options)
            continue;
        printf("    %s) _arguments", c->name);
        const struct option *o;
        for (size_t i = 0; (o = option_at(c->options, i)); i++)
            zsh_option(o);
        printf(" \\\n        '*:operand:_files';;\n");
    }
    printf("    completion) _values shell bash zsh;;\n    help) _values topic");
    for (const struct command *c = COMMANDS; c->name; c++)
        printf(" %s", c->name);
    printf(" targets load result;;\n    esac\n}\n"
           "if [ \"$funcstack[1]\" = _loadline ]; then\n    _loadline \"$@\"\nelse\n"
           "    compdef _loadline loadline\nfi\n");
}

int cmd_completion(int argc, char **argv)
{
    if (argc == 1 && strcmp(argv[0], "bash") == 0)
        bash();
    else if (argc == 1 && strcmp(argv[0], "zsh") == 0)
        zsh();
    else {
        term_say("completion writes a script for bash or zsh: loadline completion bash");
        return 1;
    }
    return 0;
}
