/* SPDX-License-Identifier: Apache-2.0
 * A flat map of points: their two directions of largest variance. For latents, which have tens of dimensions: the whole
 * covariance is small, and all of its eigenvectors cost nothing. The PCA floor, with hundreds, is pca.c's. */
#include <lapacke.h>
#include <math.h>
#include <stdlib.h>
#include "search/learn/learn.h"

#define MAX_WIDTH 4096 /* the covariance is 128 MiB then */

static bool centre(const float *point, size_t n, size_t width, double *mean)
{
	for (size_t k = 0; k < width; k++) {
		mean[k] = 0;
		for (size_t i = 0; i < n; i++)
			mean[k] += point[i * width + k];
		mean[k] /= (double)n;
		if (!isfinite(mean[k]))
			return false;
	}
	return true;
}

/* The lower triangle of the covariance, by columns; returns its trace. */
static double covariance(const float *point, size_t n, size_t width, const double *mean, double *cov)
{
	double *d = ir_xmalloc(width, sizeof *d), trace = 0;

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < width; k++)
			d[k] = point[i * width + k] - mean[k];
		for (size_t c = 0; c < width; c++)
			for (size_t k = c; k < width; k++)
				cov[c * width + k] += d[k] * d[c] / (double)n;
	}
	for (size_t k = 0; k < width; k++)
		trace += cov[k * width + k];
	free(d);
	return trace;
}

/* An eigenvector is one up to its sign: its largest component shall be positive, so that a map is the same again. */
static double sign_of(const double *vector, size_t width)
{
	size_t largest = 0;

	for (size_t k = 1; k < width; k++)
		if (fabs(vector[k]) > fabs(vector[largest]))
			largest = k;
	return vector[largest] < 0 ? -1 : 1;
}

static void project(const float *point, size_t n, size_t width, const double *mean, const double *vector, double *to)
{
	double sign = sign_of(vector, width);

	for (size_t i = 0; i < n; i++) {
		double sum = 0;

		for (size_t k = 0; k < width; k++)
			sum += (point[i * width + k] - mean[k]) * vector[k];
		to[2 * i] = sign * sum;
	}
}

ir_status le_map2d(const float *point, size_t n, int64_t dimensions, double *xy, double share[2])
{
	size_t width = (size_t)dimensions;
	double *mean, *cov, *value, trace;
	lapack_int info = 0;

	share[0] = share[1] = 0;
	for (size_t i = 0; i < 2 * n; i++)
		xy[i] = 0;
	if (dimensions < 1 || !n)
		return IR_EINPUT;
	if (dimensions > MAX_WIDTH)
		return IR_ENOMEM;
	mean = ir_xmalloc(width, sizeof *mean);
	cov = ir_xmalloc(width * width, sizeof *cov);
	value = ir_xmalloc(width, sizeof *value);
	if (!centre(point, n, width, mean) || !isfinite(trace = covariance(point, n, width, mean, cov))) {
		info = -1;
	} else {
		info = LAPACKE_dsyev(LAPACK_COL_MAJOR, 'V', 'L', (lapack_int)width, cov, (lapack_int)width, value);
		for (size_t j = 0; info == 0 && j < 2 && j < width; j++) { /* dsyev sorts ascending */
			project(point, n, width, mean, cov + (width - 1 - j) * width, xy + j);
			share[j] = trace > 0 ? fmax(0, value[width - 1 - j]) / trace : 0;
		}
	}
	free(mean);
	free(cov);
	free(value);
	return info == 0 ? IR_OK : info < 0 ? IR_EINPUT : IR_EINTERNAL;
}
