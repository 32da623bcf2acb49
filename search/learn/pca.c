/* SPDX-License-Identifier: Apache-2.0
 * Principal components: the honest floor beside every autoencoder. The covariance is made one tile per unit of
 * parallel work. Floats are accumulated in double, rows in ascending order, so that every element is one chain of sums
 * and no number of threads, nor vector width (products are never fused), changes a bit. Bytes are summed exactly, see
 * Note [Exact sums of bytes]. dsyevr does the rest. The only file that includes lapacke. */
#include <lapacke.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "search/learn/learn.h"

#define TILE  112 /* columns of a covariance tile, rows of a projection; a multiple of UNIT and of two vectors */
#define UNIT  4   /* rows of the register tile; its columns are two vectors */
#define PANEL 8   /* columns of the widest register tile of doubles */
#define DEPTH 128 /* data rows packed at a time */
#define EXACT 256 /* the same of bytes: 256 * 255 * 255 < 2^24 */
#define MAX_WIDTH 32768 /* LAPACK counts elements in int */

struct le_pca {
	int64_t width;
	double scale;   /* of a table element: 1/255 for bytes */
	double *mean;   /* in units of the table */
	double *vector; /* [width][ldv], component j is column j, largest first; padded with zeros */
	int64_t ldv;
	size_t bytes;   /* of vector */
};

/* ---- the register tile -------------------------------------------------------------------------------- */

typedef void tile_fn(int64_t depth, const double *a, int64_t lda, const double *b, int64_t ldb, double *c,
		     int64_t ldc, int64_t rows, int64_t cols);
typedef void tile_f32_fn(int64_t depth, const float *a, int64_t lda, const float *b, int64_t ldb, float *c,
			 int64_t ldc, int64_t rows, int64_t cols);

/* c[i][j] += sum over p of a[p][i] * b[p][j] for rows x cols elements, multiples of UNIT and of two vectors of BYTES.
 * The accumulators stay in registers because every loop over them is unrolled. */
#define DEFINE_TILE(name, REAL, BYTES)                                                                            \
	static void name(int64_t depth, const REAL *a, int64_t lda, const REAL *b, int64_t ldb, REAL *c,          \
			 int64_t ldc, int64_t rows, int64_t cols)                                                 \
	{                                                                                                         \
		typedef REAL vec __attribute__((vector_size(BYTES), aligned(sizeof(REAL))));                      \
		const int64_t lanes = BYTES / (int64_t)sizeof(REAL);                                              \
                                                                                                                  \
		for (int64_t j = 0; j < cols; j += 2 * lanes)                                                     \
			for (int64_t i = 0; i < rows; i += UNIT) {                                                \
				REAL *to = c + i * ldc + j;                                                       \
				vec s[UNIT][2];                                                                   \
                                                                                                                  \
				_Pragma("GCC unroll 4") for (int u = 0; u < UNIT; u++)                            \
				{                                                                                 \
					s[u][0] = *(const vec *)(to + u * ldc);                                   \
					s[u][1] = *(const vec *)(to + u * ldc + lanes);                           \
				}                                                                                 \
				for (int64_t p = 0; p < depth; p++) {                                             \
					vec b0 = *(const vec *)(b + p * ldb + j);                                 \
					vec b1 = *(const vec *)(b + p * ldb + j + lanes);                         \
                                                                                                                  \
					_Pragma("GCC unroll 4") for (int u = 0; u < UNIT; u++)                    \
					{                                                                         \
						s[u][0] += a[p * lda + i + u] * b0;                               \
						s[u][1] += a[p * lda + i + u] * b1;                               \
					}                                                                         \
				}                                                                                 \
				_Pragma("GCC unroll 4") for (int u = 0; u < UNIT; u++)                            \
				{                                                                                 \
					*(vec *)(to + u * ldc) = s[u][0];                                         \
					*(vec *)(to + u * ldc + lanes) = s[u][1];                                 \
				}                                                                                 \
			}                                                                                         \
	}

DEFINE_TILE(tile_plain, double, 16)
DEFINE_TILE(tile_f32_plain, float, 16)
#ifdef __x86_64__
__attribute__((target("avx2"))) DEFINE_TILE(tile_avx2, double, 32)
__attribute__((target("avx2"))) DEFINE_TILE(tile_f32_avx2, float, 32)
#endif

/* Same bits from both: only how many chains run side by side differs. */
static tile_fn *pick_tile(void)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx2"))
		return tile_avx2;
#endif
	return tile_plain;
}

static tile_f32_fn *pick_tile_f32(void)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx2"))
		return tile_f32_avx2;
#endif
	return tile_f32_plain;
}

/* ---- fitting ------------------------------------------------------------------------------------------- */

typedef struct fit_job {
	const le_table *t;
	const uint32_t *row;
	size_t n;
	int64_t tiles; /* per side */
	double *mean;
	double *cov;   /* [width][width], raw units */
	double *sum;   /* [width], of bytes: exact */
	tile_fn *tile;
	tile_f32_fn *tile_f32;
} fit_job;

static double element(const le_table *t, int64_t row, int64_t col)
{
	int64_t i = row * t->width + col;

	return t->dtype == IR_U8 ? (double)((const uint8_t *)t->data)[i] : (double)((const float *)t->data)[i];
}

static void mean_columns(void *ctx, size_t block)
{
	fit_job *j = ctx;
	int64_t c0 = (int64_t)block * TILE, c1 = c0 + TILE < j->t->width ? c0 + TILE : j->t->width;

	for (size_t r = 0; r < j->n; r++)
		for (int64_t c = c0; c < c1; c++)
			j->mean[c] += element(j->t, j->row[r], c);
	for (int64_t c = c0; c < c1; c++) {
		j->sum[c] = j->mean[c];
		j->mean[c] /= (double)j->n;
	}
}

/* Elements of n rows and of columns [c0, c0 + TILE), as [row][column]; columns past the width stay 0. */
static void pack_centred(const fit_job *j, const uint32_t *row, size_t n, int64_t c0, double *restrict to)
{
	int64_t w = j->t->width - c0 < TILE ? j->t->width - c0 : TILE;
	const double *restrict mean = j->mean + c0;

	for (size_t r = 0; r < n; r++) {
		const float *restrict x = (const float *)j->t->data + (int64_t)row[r] * j->t->width + c0;

		for (int64_t c = 0; c < w; c++)
			to[(int64_t)r * TILE + c] = (double)x[c] - mean[c];
	}
}

static void pack_bytes(const fit_job *j, const uint32_t *row, size_t n, int64_t c0, float *restrict to)
{
	int64_t w = j->t->width - c0 < TILE ? j->t->width - c0 : TILE;

	for (size_t r = 0; r < n; r++) {
		const uint8_t *restrict x = (const uint8_t *)j->t->data + (int64_t)row[r] * j->t->width + c0;

		for (int64_t c = 0; c < w; c++)
			to[(int64_t)r * TILE + c] = (float)x[c];
	}
}

/* c = sum over rows of the products of the centred columns of tiles bi and bj. */
static void sum_floats(const fit_job *j, int64_t bi, int64_t bj, double *c)
{
	double *a = ir_xmalloc(2 * DEPTH * TILE, sizeof *a); /* zeroed: padding stays 0 */
	double *b = bi == bj ? a : a + DEPTH * TILE;

	for (size_t r = 0; r < j->n; r += DEPTH) {
		size_t n = j->n - r < DEPTH ? j->n - r : DEPTH;

		pack_centred(j, j->row + r, n, bi * TILE, a);
		if (a != b)
			pack_centred(j, j->row + r, n, bj * TILE, b);
		j->tile((int64_t)n, a, TILE, b, TILE, c, TILE, TILE, TILE);
	}
	free(a);
}

/* Note [Exact sums of bytes]
 * Products of two bytes are whole numbers, and 256 of them add up to less than 2^24: exact in float, in any order,
 * fused or not. So the register tile runs on floats, four times as fast as on doubles, and its sums are added up in
 * doubles, exact up to 2^53. Centring comes last: n * sum(xy) - sum(x) * sum(y) in 128 bits, rounded once. */
static void sum_bytes(const fit_job *j, int64_t bi, int64_t bj, double *c)
{
	__extension__ typedef __int128 int128;
	float *a = ir_xmalloc(2 * EXACT * TILE + TILE * TILE, sizeof *a);
	float *b = bi == bj ? a : a + EXACT * TILE, *part = a + 2 * EXACT * TILE;

	for (size_t r = 0; r < j->n; r += EXACT) {
		size_t n = j->n - r < EXACT ? j->n - r : EXACT;

		pack_bytes(j, j->row + r, n, bi * TILE, a);
		if (a != b)
			pack_bytes(j, j->row + r, n, bj * TILE, b);
		memset(part, 0, TILE * TILE * sizeof *part);
		j->tile_f32((int64_t)n, a, TILE, b, TILE, part, TILE, TILE, TILE);
		for (int i = 0; i < TILE * TILE; i++)
			c[i] += part[i];
	}
	for (int64_t i = 0; i < TILE && bi * TILE + i < j->t->width; i++)
		for (int64_t k = 0; k < TILE && bj * TILE + k < j->t->width; k++) {
			int128 xy = (int128)j->n * (int128)c[i * TILE + k];

			xy -= (int128)j->sum[bi * TILE + i] * (int128)j->sum[bj * TILE + k];
			c[i * TILE + k] = (double)xy / (double)j->n;
		}
	free(a);
}

/* Tile pair number p of the upper triangle, row by row. */
static void cov_tile(void *ctx, size_t p)
{
	fit_job *j = ctx;
	int64_t w = j->t->width, bi = 0, bj = (int64_t)p;
	double *c = ir_xmalloc(TILE * TILE, sizeof *c);

	for (int64_t len = j->tiles; bj >= len; len--)
		bj -= len, bi++;
	bj += bi;
	(j->t->dtype == IR_U8 ? sum_bytes : sum_floats)(j, bi, bj, c);
	for (int64_t i = 0; i < TILE && bi * TILE + i < w; i++)
		for (int64_t k = 0; k < TILE && bj * TILE + k < w; k++) {
			int64_t y = bi * TILE + i, x = bj * TILE + k;

			j->cov[y * w + x] = j->cov[x * w + y] = c[i * TILE + k] / (double)j->n;
		}
	free(c);
}

/* A threaded OpenBLAS may be installed in the serial one's place; one thread keeps the bits. */
extern void openblas_set_num_threads(int) __attribute__((weak));

/* Eigenvectors of cov (destroyed) into p->vector, largest eigenvalue first. */
static ir_status eigenvectors(le_pca *p, double *cov)
{
	lapack_int n = (lapack_int)p->width, found = 0;
	size_t bytes = (size_t)n * (size_t)n * sizeof(double);
	double *value = ir_xmalloc((size_t)n, sizeof *value);
	lapack_int *support = ir_xmalloc(2 * (size_t)n, sizeof *support), info;
	void *z;
	ir_status s = rt_alloc(bytes, &z);

	if (s == IR_OK) {
		if (openblas_set_num_threads)
			openblas_set_num_threads(1);
		/* the matrix is symmetric: column-major order spares LAPACKE two transposed copies */
		info = LAPACKE_dsyevr(LAPACK_COL_MAJOR, 'V', 'A', 'L', n, cov, n, 0, 0, 0, 0, 0, &found, value, z, n,
				      support);
		if (info != 0 || found != n)
			s = info == LAPACK_WORK_MEMORY_ERROR ? IR_ENOMEM : IR_EINTERNAL;
		for (lapack_int j = 0; s == IR_OK && j < n; j++) /* dsyevr sorts ascending */
			for (lapack_int i = 0; i < n; i++)
				p->vector[i * p->ldv + j] = ((double *)z)[(int64_t)(n - 1 - j) * n + i];
		rt_free(z, bytes);
	}
	free(value);
	free(support);
	return s;
}

ir_status le_pca_fit(const le_table *t, const uint32_t *fit, size_t nfit, int threads, le_pca **out)
{
	size_t w = (size_t)t->width, bytes = w * w * sizeof(double);
	fit_job j = {.t = t, .row = fit, .n = nfit, .tiles = (t->width + TILE - 1) / TILE, .tile = pick_tile(),
		     .tile_f32 = pick_tile_f32()};
	void *cov = NULL, *vector = NULL;
	le_pca *p;
	ir_status s;

	*out = NULL;
	if (t->width > MAX_WIDTH)
		return IR_ENOMEM;
	if (nfit == 0 || t->width < 1)
		return IR_EINPUT;
	p = ir_xmalloc(1, sizeof *p);
	p->width = t->width;
	p->scale = t->dtype == IR_U8 ? 1.0 / 255 : 1;
	p->mean = ir_xmalloc(w, sizeof *p->mean);
	p->ldv = (t->width + PANEL - 1) / PANEL * PANEL;
	p->bytes = w * (size_t)p->ldv * sizeof(double);
	j.mean = p->mean;
	j.sum = ir_xmalloc(w, sizeof *j.sum);
	s = rt_alloc(bytes, &cov);
	if (s == IR_OK) {
		j.cov = cov;
		s = rt_alloc(p->bytes, &vector);
		p->vector = vector;
	}
	if (s == IR_OK) {
		memset(vector, 0, p->bytes);
		rt_parallel(threads, (size_t)j.tiles, mean_columns, &j);
		rt_parallel(threads, (size_t)(j.tiles * (j.tiles + 1) / 2), cov_tile, &j);
		s = eigenvectors(p, cov);
	}
	if (cov)
		rt_free(cov, bytes);
	free(j.sum);
	if (s == IR_OK)
		*out = p;
	else
		le_pca_free(p);
	return s;
}

void le_pca_free(le_pca *p)
{
	if (!p)
		return;
	if (p->vector)
		rt_free(p->vector, p->bytes);
	free(p->mean);
	free(p);
}

/* ---- error on any rows ---------------------------------------------------------------------------------- */

typedef struct mse_job {
	const le_pca *p;
	const le_table *t;
	const uint32_t *row;
	size_t n;
	int64_t k, cols; /* components; rounded up to PANEL */
	double *sum;     /* one per block of TILE rows */
	tile_fn *tile;
} mse_job;

/* |x - m|^2 minus the squared length of its projection, summed over TILE rows. */
static void mse_block(void *ctx, size_t block)
{
	mse_job *j = ctx;
	int64_t w = j->p->width, left = (int64_t)(j->n - block * TILE), rows = left < TILE ? left : TILE;
	double *x = ir_xmalloc((size_t)(w * TILE), sizeof *x); /* transposed, padded with zero rows */
	double *c = ir_xmalloc((size_t)(j->cols * TILE) + 1, sizeof *c);

	for (int64_t r = 0; r < rows; r++)
		for (int64_t i = 0; i < w; i++)
			x[i * TILE + r] = element(j->t, j->row[block * TILE + (size_t)r], i) - j->p->mean[i];
	j->tile(w, x, TILE, j->p->vector, j->p->ldv, c, j->cols, TILE, j->cols);
	for (int64_t r = 0; r < rows; r++) {
		double e = 0;

		for (int64_t i = 0; i < w; i++)
			e += x[i * TILE + r] * x[i * TILE + r];
		for (int64_t i = 0; i < j->k; i++)
			e -= c[r * j->cols + i] * c[r * j->cols + i];
		j->sum[block] += e > 0 ? e : 0; /* k = width: rounding may leave less than nothing */
	}
	free(x);
	free(c);
}

double le_pca_mse(const le_pca *p, const le_table *t, const uint32_t *idx, size_t n, int k, int threads)
{
	size_t blocks = (n + TILE - 1) / TILE;
	mse_job j = {.p = p, .t = t, .row = idx, .n = n, .tile = pick_tile()};
	double total = 0;

	if (n == 0 || t->width != p->width)
		return NAN;
	j.k = k < 0 ? 0 : k > p->width ? p->width : k;
	j.cols = (j.k + PANEL - 1) / PANEL * PANEL;
	j.sum = ir_xmalloc(blocks, sizeof *j.sum);
	rt_parallel(threads, blocks, mse_block, &j);
	for (size_t b = 0; b < blocks; b++)
		total += j.sum[b];
	free(j.sum);
	return total * p->scale * p->scale / ((double)n * (double)p->width);
}

/* ---- of a data set ------------------------------------------------------------------------------------------ */

#define SAMPLE 65536 /* training rows that the floor of a table in a file is fitted on */
#define PIECE  8192  /* rows of one that are copied at a time */

static ir_status new_piece(const le_data *t, size_t rows, le_table *out)
{
	*out = (le_table){.dtype = IR_F32, .rows = (int64_t)rows, .width = t->table.width};
	return rt_alloc(rows * (size_t)t->table.width * sizeof(float), &out->data);
}

ir_status le_floor_fit(const le_data *t, int threads, le_pca **out)
{
	size_t n = t->ntrain < SAMPLE ? t->ntrain : SAMPLE;
	uint32_t *row;
	le_table some;
	ir_status s;

	*out = NULL;
	if (!le_data_staged(t) || t->table.width > MAX_WIDTH) /* which is refused there, before any row is copied */
		return le_pca_fit(&t->table, t->train, t->ntrain, threads, out);
	if ((s = new_piece(t, n, &some)) != IR_OK)
		return s;
	row = ir_xmalloc(2 * n, sizeof *row);
	for (size_t i = 0; i < n; i++) {
		row[i] = t->train[i * t->ntrain / n];
		row[n + i] = (uint32_t)i;
	}
	le_data_rows(t, row, n, some.data);
	s = le_pca_fit(&some, row + n, n, threads, out);
	le_table_free(&some);
	free(row);
	return s;
}

ir_status le_floor_mse(const le_pca *p, const le_data *t, const uint32_t *idx, size_t n, int k, int threads, double *mse)
{
	size_t room = n < PIECE ? n : PIECE;
	uint32_t *row;
	double sum = 0;
	le_table piece;
	ir_status s;

	*mse = NAN;
	if (!le_data_staged(t) || !n)
		return *mse = le_pca_mse(p, &t->table, idx, n, k, threads), IR_OK;
	if ((s = new_piece(t, room, &piece)) != IR_OK)
		return s;
	row = ir_xmalloc(room, sizeof *row);
	for (size_t i = 0; i < room; i++)
		row[i] = (uint32_t)i;
	for (size_t at = 0; at < n; at += PIECE) {
		size_t now = n - at < PIECE ? n - at : PIECE;

		le_data_rows(t, idx + at, now, piece.data);
		sum += (double)now * le_pca_mse(p, &piece, row, now, k, threads);
	}
	le_table_free(&piece);
	free(row);
	*mse = sum / (double)n;
	return IR_OK;
}
