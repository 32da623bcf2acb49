/* SPDX-License-Identifier: Apache-2.0
 * compiler/peak.c -- the machine's limits, measured beside every benchmark: the FMA rate, by chains that stay in registers; and
 * the rate of memory, by copies larger than any cache. */
#include <string.h>
#include "compiler/llvm/jit.h"

#define ROUNDS 400000 /* of the peak kernel: some milliseconds */

static void run_peak(void *ctx, size_t i)
{
	float x = 1e-3f;
	void *buf[1] = {&x};
	int64_t arg[1] = {ROUNDS};

	(void)i;
	(*(rt_kernel **)ctx)(buf, arg, 0, 1, 0, 1);
}

ir_status cc_measure_peak(cc_context *c, int threads, double seconds, double *gflops, ir_diag *d)
{
	cc_kernel k = {.kind = CC_KERNEL_PEAK, .dtype = IR_F32};
	const cc_kernel *list = &k;
	cc_fetch_stats s = {0};
	double flops = 2.0 * ROUNDS * cc_peak_floats(c) * threads, best = 1e30, end;
	rt_kernel *fn;
	cc_code *code;
	ir_status st;

	st = cc_fetch_kernels(c, &list, 1, &code, &s, d);
	if (st != IR_OK)
		return st;
	fn = cc_code_fn(code);
	end = rt_seconds() + seconds;
	do {
		double t0 = rt_seconds(), t;

		rt_parallel(threads, (size_t)threads, run_peak, &fn);
		t = rt_seconds() - t0;
		best = t < best ? t : best;
	} while (rt_seconds() < end);
	cc_release_kernels(c, &code, 1);
	*gflops = flops / best / 1e9;
	return IR_OK;
}

#define COPY_BYTES ((size_t)64 << 20) /* per thread */

static void run_copy(void *ctx, size_t i)
{
	char *memory = (char *)ctx + i * 2 * COPY_BYTES;

	memcpy(memory, memory + COPY_BYTES, COPY_BYTES);
}

ir_status cc_measure_bandwidth(int threads, double seconds, double *gbytes)
{
	size_t bytes = 2 * COPY_BYTES * (size_t)threads;
	double best = 1e30, end;
	void *memory;
	ir_status st = rt_alloc(bytes, &memory);

	if (st != IR_OK)
		return st;
	memset(memory, 1, bytes); /* untouched pages are all the same page of zeros, which stays in cache */
	end = rt_seconds() + seconds;
	do {
		double t0 = rt_seconds(), t;

		rt_parallel(threads, (size_t)threads, run_copy, memory);
		t = rt_seconds() - t0;
		best = t < best ? t : best;
	} while (rt_seconds() < end);
	*gbytes = (double)bytes / best / 1e9;
	rt_free(memory, bytes);
	return IR_OK;
}
