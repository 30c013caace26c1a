#ifndef LOADLINE_API_OPENAI_H
#define LOADLINE_API_OPENAI_H

/* OpenAI's completions and chat completions, as vLLM, SGLang, TensorRT-LLM, llama.cpp and others serve them. */

#include "api/protocol.h"

extern const struct protocol openai_completions;
extern const struct protocol openai_chat;

#endif
