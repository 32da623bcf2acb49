/* SPDX-License-Identifier: Apache-2.0
 * search/space.h -- what may be varied: a table of parameters, a point in it (the genome), and the model text that a
 * point stands for. Knows nothing of samplers, the store or training. */
#ifndef SEARCH_SPACE_H
#define SEARCH_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "ir/base/str.h"
#include "runtime/rt.h"

#define SE_MAX_PARAMS 24
#define SE_MAX_FITTED 8 /* choices of a parameter that depends on the data */

typedef enum se_kind { SE_INT, SE_FLOAT, SE_CHOICE } se_kind;

/* One parameter. Values are internal doubles as Optuna keeps them: a number, or the index of a choice. */
typedef struct se_param {
	const char *name;
	se_kind kind;
	double low, high;          /* both included */
	bool log;                  /* uniform in the logarithm; not for choices */
	const char *const *choice; /* NULL-terminated; texts that look like numbers are numbers in the store */
	int when;                  /* -1: always there; else the row it depends on, which stands above it */
	uint32_t among;            /* bit v set: there when that row's internal value is v */
	bool shape;                /* decides the model text and nothing else, so the text stands for it in the trial key */
	double usual;              /* internal value of the default point */
	bool budget;               /* whole and logarithmic: more is better and takes longer, so a sampler that learns begins
	                              with little and gives more to the children of good trials */
} se_param;

typedef struct se_space {
	const char *name;
	size_t n;
	se_param param[SE_MAX_PARAMS];
	const char *pinned[SE_MAX_PARAMS][2]; /* choice lists of one, for what the command line fixed */
	char pin_text[SE_MAX_PARAMS][24];
	const char *fitted[SE_MAX_PARAMS][SE_MAX_FITTED + 1]; /* and for what the data do not allow */
	bool linear; /* models end in a linear layer: the data leave [0, 1]. False at first */
} se_space;

/* A point: one internal value per row, NAN where the row's condition does not hold. */
typedef struct se_genome {
	double v[SE_MAX_PARAMS];
} se_genome;

/* What the command line fixes; 0 = left to the space. */
typedef struct se_limits {
	int64_t latent, epochs, batch;
} se_limits;

/* "dense": residual autoencoders of dense layers. "models": nothing to vary, the models are given. False if there is
 * no space of that name. The space points into itself: never copy it. */
bool se_space_init(se_space *sp, const char *name, const se_limits *fix);

/* Leaves out what makes no sense for such data: latents larger than half of a narrow row, batches that no training set
 * fills. Few rows get more epochs, narrow ones smaller rates of plain momentum. Done once; depends on nothing else, so that a study that goes on has the same space. */
void se_space_fit(se_space *sp, int64_t width, int64_t ntrain);

int se_param_find(const se_space *sp, const char *name); /* -1 if absent */
int se_param_choices(const se_param *p);
double se_param_at(const se_param *p, double unit);               /* the value at unit in [0, 1) of its range */
double se_param_unit(const se_param *p, double v);                /* the reverse, for a float */
bool se_param_numeric(const se_param *p);                         /* choices that are numbers */
double se_param_meaning(const se_param *p, double v);             /* the number that a value of p stands for */
bool se_param_has(const se_param *p, double v);                   /* v is one of its values */
void se_param_print(const se_param *p, double v, ir_str *out);    /* readable: "gelu", "0.001", "128" */
void se_param_distribution(const se_param *p, ir_str *out);       /* Optuna's distribution_json */

/* The default point: what somebody would try first. */
void se_space_usual(const se_space *sp, se_genome *g);

bool se_genome_active(const se_space *sp, const se_genome *g, size_t i); /* does the condition of row i hold? */
bool se_genome_check(const se_space *sp, const se_genome *g);            /* every value in range, the right ones NAN */
/* Readable values by name; asking for a row that is not there or not active is a bug. */
double se_genome_number(const se_space *sp, const se_genome *g, const char *name);
const char *se_genome_choice(const se_space *sp, const se_genome *g, const char *name);
bool se_genome_has(const se_space *sp, const se_genome *g, const char *name);
/* "activation=gelu batch=128 ..": all active rows in order, or only those that are not of the shape. */
void se_genome_print(const se_space *sp, const se_genome *g, bool shape_too, ir_str *out);

/* mutate.c: a stream of random numbers, and a point next to parent: one or two parameters take another value. */
typedef struct se_dice {
	rt_key key;
	uint64_t at;
} se_dice;

void se_mutate(const se_space *sp, const se_genome *parent, se_dice *d, se_genome *child);
/* Most parameters of a, some of b. */
void se_cross(const se_space *sp, const se_genome *a, const se_genome *b, se_dice *d, se_genome *child);
/* Half of all children get half as much again of every budget. */
void se_grow(const se_space *sp, se_dice *d, se_genome *g);
/* Budgets drawn anew in the lowest quarter of their range. */
void se_shrink(const se_space *sp, se_dice *d, se_genome *g);
/* "lr: 0.001 -> 0.002, skip: none -> block"; "-": not there */
void se_mutation_print(const se_space *sp, const se_genome *parent, const se_genome *child, ir_str *out);

/* build.c: the model text of a point, for rows of width features. Never a path around the latent. */
void se_build(const se_space *sp, const se_genome *g, int64_t width, ir_str *out);

#endif
