#include "sim/catalog.h"

/* Memory, bandwidth and dense peaks: the makers' data sheets. Memory sold as 80 GB is 80 GiB of
 * address space on these boards. */
#define TB_S   1e12
#define TFLOPS 1e12

/* Fits over published kernel measurements, by architecture: bf16 and fp8 products (memory share,
 * math share, t0 in us, p), attention of decoding (memory share, t0) and of prompts (math share,
 * tokens at which half of it is reached, t0). */
#define NO_FIT                                                                                     \
    {                                                                                              \
        0, 0, 0, 0                                                                                 \
    }
#define A100_FITS                                                                                  \
    {{.761, .871, 5.95, 1.67}, NO_FIT, NO_FIT}, {.659, 18.8},                                      \
    {                                                                                              \
        .578, 508, 12.6                                                                            \
    }
#define H100_FITS                                                                                  \
    {{.884, .816, 3.83, 3.32}, {.868, .469, 6.85, 1.41}, NO_FIT}, {.841, 12.4},                    \
    {                                                                                              \
        .659, 997, 13.6                                                                            \
    }
#define H200_FITS                                                                                  \
    {{.838, .813, 4.05, 3.82}, {.860, .532, 7.38, 1.09}, NO_FIT}, {.788, 12.6},                    \
    {                                                                                              \
        .655, 961, 13.5                                                                            \
    }
#define L40S_FITS                                                                                  \
    {{.780, .633, 0, 2.24}, {.752, .519, 2.20, 1.26}, NO_FIT}, {.838, 10.8},                       \
    {                                                                                              \
        .510, 402, 7.7                                                                             \
    }
#define B200_FITS                                                                                  \
    {{.825, .722, 3.76, 2.43}, {.803, .442, 7.45, 1.32}, {.776, .470, 7.94, 1.36}}, {.881, 9.6},   \
    {                                                                                              \
        .589, 1493, 13.4                                                                           \
    }
#define GB200_FITS                                                                                 \
    {{.818, .727, 3.72, 2.37}, {.788, .461, 7.17, 1.19}, {.759, .426, 8.45, 1.61}}, {.907, 10.7},  \
    {                                                                                              \
        .538, 1321, 13.9                                                                           \
    }
/* Its fp4 products were not measured: the B200's fit. */
#define RTX_PRO_FITS                                                                               \
    {{.838, .860, 2.29, 1.69}, {.844, .813, 5.22, 1.25}, {.776, .470, 7.94, 1.36}}, {.841, 12.5},  \
    {                                                                                              \
        .635, 502, 8.5                                                                             \
    }

/* All-reduce over 2, 4 and 8 GPUs. */
#define A100_REDUCE                                                                                \
    {                                                                                              \
        {5.0, 11.2}, {5.7, 16.4},                                                                  \
        {                                                                                          \
            6.7, 18.7                                                                              \
        }                                                                                          \
    }
#define H100_REDUCE                                                                                \
    {                                                                                              \
        {4.3, 7.3}, {4.9, 9.95},                                                                   \
        {                                                                                          \
            5.4, 9.3                                                                               \
        }                                                                                          \
    }
#define H200_REDUCE                                                                                \
    {                                                                                              \
        {4.5, 7.2}, {4.8, 9.75},                                                                   \
        {                                                                                          \
            5.4, 8.9                                                                               \
        }                                                                                          \
    }
#define B200_REDUCE                                                                                \
    {                                                                                              \
        {7.3, 4.4}, {7.6, 5.6},                                                                    \
        {                                                                                          \
            8.5, 5.9                                                                               \
        }                                                                                          \
    }
/* Eight were not measured: a ring's 2(n − 1)/n of the data over the same links. */
#define GB200_REDUCE                                                                               \
    {                                                                                              \
        {5.1, 10.8}, {5.6, 6.35},                                                                  \
        {                                                                                          \
            6.1, 7.4                                                                               \
        }                                                                                          \
    }
#define L40S_REDUCE                                                                                \
    {                                                                                              \
        {5.3, 105}, {12.6, 777},                                                                   \
        {                                                                                          \
            22.4, 1598                                                                             \
        }                                                                                          \
    }
#define RTX_PRO_REDUCE                                                                             \
    {                                                                                              \
        {4.3, 52.6}, {13.5, 110},                                                                  \
        {                                                                                          \
            26.6, 157                                                                              \
        }                                                                                          \
    }

/* clang-format off */
static const struct sim_gpu gpus[] = {
    {"a100", "A100 80 GB SXM", 80, 2.039 * TB_S, {312 * TFLOPS, 0, 0}, A100_FITS, A100_REDUCE, true, false},
    {"h100", "H100 SXM", 80, 3.35 * TB_S, {989 * TFLOPS, 1978 * TFLOPS, 0}, H100_FITS, H100_REDUCE, false, false},
    {"h200", "H200", 141, 4.8 * TB_S, {989 * TFLOPS, 1978 * TFLOPS, 0}, H200_FITS, H200_REDUCE, false, false},
    {"l40s", "L40S", 48, .864 * TB_S, {362 * TFLOPS, 733 * TFLOPS, 0}, L40S_FITS, L40S_REDUCE, false, false},
    {"b200", "B200", 180, 7.7 * TB_S, {2250 * TFLOPS, 4500 * TFLOPS, 9000 * TFLOPS}, B200_FITS, B200_REDUCE,
     false, false},
    {"gb200", "GB200", 186, 8.0 * TB_S, {2500 * TFLOPS, 5000 * TFLOPS, 10000 * TFLOPS}, GB200_FITS, GB200_REDUCE,
     false, false},
    {"rtx-pro-6000", "RTX PRO 6000 Blackwell", 96, 1.792 * TB_S, {468 * TFLOPS, 936 * TFLOPS, 1871 * TFLOPS},
     RTX_PRO_FITS, RTX_PRO_REDUCE, false, false},
    {"a10", "A10", 24, .600 * TB_S, {125 * TFLOPS, 0, 0}, A100_FITS, L40S_REDUCE, false, true},
    {"a100-40", "A100 40 GB", 40, 1.555 * TB_S, {312 * TFLOPS, 0, 0}, A100_FITS, A100_REDUCE, true, true},
    {"l4", "L4", 24, .300 * TB_S, {121 * TFLOPS, 242 * TFLOPS, 0}, L40S_FITS, L40S_REDUCE, false, true},
    {"h100-pcie", "H100 PCIe", 80, 2.0 * TB_S, {756 * TFLOPS, 1513 * TFLOPS, 0}, H100_FITS, RTX_PRO_REDUCE,
     false, true},
    {"rtx-4090", "GeForce RTX 4090", 24, 1.008 * TB_S, {165 * TFLOPS, 330 * TFLOPS, 0}, L40S_FITS, L40S_REDUCE,
     false, true},
    {"rtx-5090", "GeForce RTX 5090", 32, 1.792 * TB_S, {209 * TFLOPS, 419 * TFLOPS, 0}, RTX_PRO_FITS,
     RTX_PRO_REDUCE, false, true},
    {"mi300x", "Instinct MI300X", 192, 5.3 * TB_S, {1307 * TFLOPS, 2615 * TFLOPS, 0}, H100_FITS, H100_REDUCE,
     false, true},
    {"mi325x", "Instinct MI325X", 256, 6.0 * TB_S, {1307 * TFLOPS, 2615 * TFLOPS, 0}, H100_FITS, H100_REDUCE,
     false, true},
    {"mi355x", "Instinct MI355X", 288, 8.0 * TB_S, {2500 * TFLOPS, 5000 * TFLOPS, 0}, B200_FITS, B200_REDUCE,
     false, true},
};
/* clang-format on */

const struct sim_gpu *catalog_gpu_at(size_t i)
{
    return i < sizeof gpus / sizeof gpus[0] ? &gpus[i] : NULL;
}
