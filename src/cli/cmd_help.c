#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/term.h"
#include "report/tool.h"
#include "sim/catalog.h"

static const struct {
    const char *name, *text;
} TOPICS[] = {
    {"targets", "What can be measured\n"
                "  http://HOST:PORT     an OpenAI-compatible server: vLLM, SGLang, TensorRT-LLM,\n"
                "  https://HOST         NIM, Dynamo, llama.cpp, ...  (a trailing /v1 is fine)\n"
                "  unix:/path.sock      the same over a unix socket\n"
                "  sim:MODEL@GPU[xN]    the embedded engine, started for the run and stopped\n"
                "                       after it; xN: on N GPUs\n"
                "For example sim:llama-3.1-8b@h100, sim:llama-3.1-70b@h100x4, or with settings\n"
                "'sim:llama-3.1-8b@h100?max_num_seqs=64&precision=fp8'. `loadline help models`\n"
                "lists the models and GPUs it knows.\n"
                "With --offline a sim: target is loaded in virtual time: no server, no client, no\n"
                "network, an hour in seconds, and the run file holds the engine's own times.\n"
                "`loadline sim --offline MODEL@GPU ...` is the same.\n"},
    {"load", "How load is offered\n"
             "  --request-rate R                      open loop: requests come when they\n"
             "                                        come, whether the server keeps up or\n"
             "                                        not; latency counts from the intended\n"
             "                                        time\n"
             "  --max-concurrency C                   closed loop: C users, each sends its\n"
             "                                        next request when the last has ended;\n"
             "                                        it slows down with the server and\n"
             "                                        cannot show overload\n"
             "  --request-rate R --max-concurrency C  open with a cap: what is over the cap\n"
             "                                        queues here, its clock running\n"
             "  --request-rate inf                    everything at once: offline throughput\n"
             "How long: --num-prompts N (exact) or --duration TIME; with both, whichever comes\n"
             "first.\n"},
    {"result", "How to read a result\n"
               "  VALID         the figures can be trusted and stand for more than this run\n"
               "  PROVISIONAL   true of this run; too short or too disturbed to generalise\n"
               "  INVALID       a figure may be wrong: do not use it\n"
               "Each failed check says its value, its threshold and what to do about it.\n"
               "  ttft   intended time to first token: what a user waits\n"
               "  tpot   time per output token after the first: how fast it reads\n"
               "  itl    gaps between token events, pooled\n"
               "  e2e    intended time to last token\n"
               "[low, high] is the 95 % interval of the percentile above it.\n"
               "Exit codes: 0 done; 1 usage; 2 the run could not be made; 3 INVALID;\n"
               "4 --slo not met; 130 interrupted.\n"},
};
enum { TOPIC_COUNT = sizeof TOPICS / sizeof *TOPICS };

static void overview(void)
{
    printf("loadline %s\n"
           "Finds how much load an LLM inference server carries within its latency\n"
           "objectives, and proves the number.\n\nCommands\n",
           tool_version());
    for (const struct command *c = COMMANDS; c->name; c++)
        printf("  %-12s%s\n", c->name, c->what);
    printf("\nBegin with\n"
           "  loadline run sim:llama-3.1-8b@h100 --request-rate 8 --duration 20s\n"
           "  loadline run http://localhost:8000 --request-rate 4 --duration 1m\n"
           "\n`loadline COMMAND --help` shows a command's options.\n");
}

static void models(void)
{
    struct buf text = {0};
    catalog_describe(&text);
    fwrite(text.p, 1, text.n, stdout);
    buf_release(&text);
}

int cmd_help(int argc, char **argv)
{
    if (argc == 0) {
        overview();
        return 0;
    }
    const struct command *c = command_find(argv[0]);
    if (c) {
        command_help(c);
        return 0;
    }
    for (int i = 0; i < TOPIC_COUNT; i++) {
        if (strcmp(TOPICS[i].name, argv[0]) == 0) {
            fputs(TOPICS[i].text, stdout);
            return 0;
        }
    }
    if (strcmp(argv[0], "models") == 0) {
        models();
        return 0;
    }
    term_say("there is no help on \"%s\"; there is on every command, and on targets, models, load "
             "and result",
             argv[0]);
    return 1;
}
