#include "cli/commands.h"

#include <stdio.h>
#include <string.h>

#include "cli/run_options.h"

const struct command COMMANDS[] = {
    {"run", "TARGET", "measure one load point of a server", cmd_run, &RUN_OPTIONS,
     "  loadline run sim:llama-3.1-8b@h100 --request-rate 8 --duration 30s\n"
     "  loadline run http://localhost:8000 --request-rate 4 --duration 2m\n"
     "  loadline run http://localhost:8000 --max-concurrency 32 --num-prompts 500\n"
     "  loadline run http://localhost:8000 --request-rate 4 \\\n"
     "      --slo 'p99 ttft < 500ms and p99 tpot < 50ms' --json result.json\n"},
    {"sweep", "TARGET", "how much load a server carries within an SLO", cmd_sweep, &SWEEP_OPTIONS,
     "  loadline sweep http://localhost:8000 \\\n"
     "      --slo 'p99 ttft < 500ms and p99 tpot < 50ms'\n"
     "  loadline sweep sim:llama-3.1-8b@a100 --offline --budget 1h \\\n"
     "      --slo 'p99 ttft < 500ms and p99 tpot < 50ms'\n"
     "  loadline sweep http://localhost:8000 --rates 1:16:5 --duration 5m \\\n"
     "      --stop-at saturation\n"
     "  loadline sweep http://localhost:8000 --concurrency 1,4,16,64 --duration 1m\n"
     "  loadline sweep --resume loadline-20260102-030405.db\n"},
    {"compare", "A B", "two servers in interleaved rounds, or two run files: what differs?",
     cmd_compare, &COMPARE_OPTIONS,
     "  loadline compare http://localhost:8000 http://localhost:8001 --request-rate 4\n"
     "  loadline compare --offline sim:llama-3.1-8b@h100 sim:llama-3.1-8b@h200 \\\n"
     "      --request-rate 8\n"
     "  loadline compare http://localhost:8000 http://localhost:8000 \\\n"
     "      --request-rate 4 --before-a './serve.sh old' --before-b './serve.sh new' \\\n"
     "      --fail-if 'p99 ttft worse than 5%'\n"
     "  loadline compare old.db new.db\n"
     "  loadline compare comparison.db --margin 2%\n"},
    {"plan", "FILE", "replicas, GPUs and cost for a demand, by the floor of a sweep", cmd_plan,
     &PLAN_OPTIONS,
     "  loadline plan sweep.db --rate 40\n"
     "  loadline plan sweep.db --rate 40 --price 2.50 --spares 1\n"
     "  loadline plan sweep.db --rate 10,20,50 --growth 5%/min --startup 5m\n"
     "  loadline plan sweep.db --rate 40 --json -\n"},
    {"sim", "[MODEL@GPU[xN][?KEY=VALUE&...]]",
     "the embedded engine, as a server (OpenAI's API) or in virtual time", cmd_sim, &SIM_OPTIONS,
     "  loadline sim llama-3.1-8b@h100 --listen 127.0.0.1:8000\n"
     "  curl -s http://127.0.0.1:8000/v1/models\n"
     "  loadline sim --offline llama-3.1-8b@h100 --request-rate 8 --duration 1h\n"},
    {"calibrate", "", "the instrument's own error against a known truth", cmd_calibrate,
     &CALIBRATE_OPTIONS,
     "  loadline calibrate\n"
     "  loadline calibrate --streams 64,512 --duration 10s --json calibration.json\n"},
    {"report", "FILE...", "tables, JSON and CSV from run files", cmd_report, &REPORT_OPTIONS,
     "  loadline report loadline-20260102-030405.db\n"
     "  loadline report run.db --json -\n"
     "  loadline report run.db --csv gaps > gaps.csv\n"},
    {"completion", "bash|zsh", "a completion script for your shell", cmd_completion, NULL,
     "  source <(loadline completion bash)\n"
     "  loadline completion zsh > ~/.zfunc/_loadline\n"},
    {"help", "[COMMAND|TOPIC]", "how to use loadline; topics: targets, load, result", cmd_help,
     NULL, "  loadline help run\n  loadline help load\n"},
    {0},
};

const struct command *command_find(const char *name)
{
    for (const struct command *c = COMMANDS; c->name; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

const char *command_name_at(const void *context, size_t i)
{
    (void)context;
    return COMMANDS[i].name;
}

void command_help(const struct command *c)
{
    printf("loadline %s%s%s\n  %s\n", c->name, c->operands[0] ? " " : "", c->operands, c->what);
    if (c->options)
        options_help(c->options, stdout);
    printf("\nExamples\n%s", c->examples);
}
