/* SPDX-License-Identifier: Apache-2.0
 * compiler/peak.c -- the machine's FMA rate, measured beside every benchmark: the register tile of matmul with all
 * strides zero, so that nothing but L1 and the FMA units is at work. */
#include "compiler/llvm/jit.h"

#define PEAK_K 200000

typedef struct peak {
	rt_kernel *fn;
} peak;

static void run_tile(void *ctx, size_t i)
{
	static const float a[16] = {1e-3f}, b[64] = {1e-3f};
	_Alignas(64) float c[CC_MATMUL_ROW_BLOCK * CC_MATMUL_TILE_STRIDE];
	void *buf[3] = {(void *)a, (void *)b, c};
	int64_t arg[5] = {PEAK_K, 0, 0, 0, CC_MATMUL_TILE_STRIDE};

	(void)i;
	((peak *)ctx)->fn(buf, arg, 0, CC_MATMUL_ROW_BLOCK, 0, CC_MATMUL_TILE_STRIDE);
}

ir_status cc_measure_peak(cc_context *c, int threads, double seconds, double *gflops, ir_diag *d)
{
	cc_kernel k = {.kind = CC_KERNEL_MATMUL, .dtype = IR_F32};
	const cc_kernel *list = &k;
	cc_fetch_stats s = {0};
	double flops = 2.0 * PEAK_K * CC_MATMUL_ROW_BLOCK * CC_MATMUL_TILE_STRIDE * threads, best = 1e30, t0, end;
	ir_status st;
	peak p;

	st = cc_fetch_kernels(c, &list, 1, &p.fn, &s, d);
	if (st != IR_OK)
		return st;
	end = rt_seconds() + seconds;
	do {
		double t;

		t0 = rt_seconds();
		rt_parallel(threads, (size_t)threads, run_tile, &p);
		t = rt_seconds() - t0;
		best = t < best ? t : best;
	} while (rt_seconds() < end);
	*gflops = flops / best / 1e9;
	return IR_OK;
}
