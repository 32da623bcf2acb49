/* SPDX-License-Identifier: Apache-2.0
 * search/build.c -- from a point of the dense space to the text of a model.
 *
 *   x -> stem -> blocks -> activation -> latent -> stem -> blocks -> activation -> x's width -> sigmoid (none for data outside [0, 1])
 *
 * Two rules hold by construction: no path leads around the latent (each side adds only its own values), and the last
 * layer of every residual branch starts at zero with the activation in front of its layers, so that a deep model
 * starts as a shallow one. */
#include <stdio.h>
#include <string.h>
#include "ir/base/arena.h"
#include "search/space.h"

typedef struct side {
	const char *letter; /* names: e0, e1a1, e1l1, .. on the encoder's side, d.. on the decoder's */
	const char *act, *skip;
	int width, blocks, layers;
	ir_str *out;
} side;

/* One block behind the value named from; returns nothing, its value is named LETTER BLOCK. */
static void put_block(const side *s, int block, const char *from)
{
	bool stage = !strcmp(s->skip, "stage"), add = !strcmp(s->skip, "block");
	char at[32];

	snprintf(at, sizeof at, "%s", from);
	for (int l = 1; l <= s->layers; l++) {
		bool zero = l == s->layers && (add || (stage && block == s->blocks));
		bool last = l == s->layers && !add;

		sb_printf(s->out, "  %s%da%d = %s %s\n", s->letter, block, l, s->act, at);
		if (last)
			snprintf(at, sizeof at, "%s%d", s->letter, block);
		else
			snprintf(at, sizeof at, "%s%dl%d", s->letter, block, l);
		sb_printf(s->out, "  %s = dense%s<%d>(%s%da%d)\n", at, zero ? "_zero" : "", s->width, s->letter, block, l);
	}
	if (add)
		sb_printf(s->out, "  %s%d = add %s, %s\n", s->letter, block, from, at);
}

/* Stem, blocks and closing activation; the result is named LETTER "h". */
static void put_side(const side *s, const char *input)
{
	char from[32], last[32];

	sb_printf(s->out, "  %s0 = dense<%d>(%s)\n", s->letter, s->width, input);
	for (int b = 1; b <= s->blocks; b++) {
		snprintf(from, sizeof from, "%s%d", s->letter, b - 1);
		put_block(s, b, from);
	}
	snprintf(last, sizeof last, "%s%d", s->letter, s->blocks);
	if (s->blocks && !strcmp(s->skip, "stage")) {
		sb_printf(s->out, "  %ss = add %s0, %s\n", s->letter, s->letter, last);
		snprintf(last, sizeof last, "%ss", s->letter);
	}
	sb_printf(s->out, "  %sh = %s %s\n", s->letter, s->act, last);
}

void se_build(const se_space *sp, const se_genome *g, int64_t width, ir_str *out)
{
	side s = {.letter = "e", .act = se_genome_choice(sp, g, "activation"), .skip = "none", .out = out};

	IR_ASSERT(!strcmp(sp->name, "dense"), "space %s has no builder", sp->name);
	s.width = (int)se_genome_number(sp, g, "stem_width");
	s.blocks = (int)se_genome_number(sp, g, "blocks");
	if (s.blocks) {
		s.layers = (int)se_genome_number(sp, g, "layers");
		s.skip = se_genome_choice(sp, g, "skip");
	}
	sb_put(out, "gradmill 1\n\n");
	sb_printf(out, "func main(x: f32[B,%lld]) {\n", (long long)width);
	put_side(&s, "x");
	sb_printf(out, "  z = dense<%d>(eh)\n", (int)se_genome_number(sp, g, "latent"));
	s.letter = "d";
	put_side(&s, "z");
	sb_printf(out, "  o = dense<%lld>(dh)\n", (long long)width);
	if (sp->linear)
		sb_put(out, "  loss = mse(o, x)\n  return reconstruction=o, latent=z, loss=loss\n}\n");
	else
		sb_put(out, "  y = sigmoid o\n  loss = mse(y, x)\n  return reconstruction=y, latent=z, loss=loss\n}\n");
}
