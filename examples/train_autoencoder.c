/* SPDX-License-Identifier: Apache-2.0
 * Trains a small residual autoencoder on rows of rank 4 that it makes itself. Needs <gradmill.h> and nothing else. */
#include <gradmill.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 4096, WIDTH = 64, RANK = 4 };

static const char model[] =
	"gradmill 1\n"
	"func main(x: f32[B,64]) {\n"
	"  h = dense<32>(x)\n"
	"  r = res_dense2(h)\n"
	"  z = dense<4>(r)\n"
	"  d = dense<32>(z)\n"
	"  s = res_dense2(d)\n"
	"  y = dense<64>(s)\n"
	"  loss = mse(y, x)\n"
	"  return reconstruction=y, latent=z, loss=loss\n"
	"}\n";

static float table[ROWS * WIDTH], basis[RANK * WIDTH];

int main(void)
{
	gm_ctx *ctx = NULL;
	gm_model *m = NULL, *gradient = NULL;
	gm_trainer *t = NULL;
	gm_train_options o = gm_train_options_default();
	double loss[100];
	char *text = NULL;
	int ok;

	for (int i = 0; i < RANK * WIDTH; i++)
		basis[i] = (float)rand() / (float)RAND_MAX / RANK;
	for (int i = 0; i < ROWS * RANK; i++) {
		float c = (float)rand() / (float)RAND_MAX;

		for (int k = 0; k < WIDTH; k++)
			table[i / RANK * WIDTH + k] += c * basis[i % RANK * WIDTH + k];
	}
	ok = !gm_ctx_new(NULL, &ctx) && !gm_model_parse(ctx, "model", model, strlen(model), &m) &&
	     !gm_differentiate(m, "main", "loss", o.batch, &gradient) && (text = gm_model_print(gradient)) &&
	     printf("the gradient has %zu bytes of text\n", strlen(text)) &&
	     !gm_trainer_new(m, GM_F32, table, ROWS, WIDTH, &o, &t);
	for (int i = 0; ok && i < 5 && (ok = !gm_trainer_step(t, 100, loss)); i++)
		printf("step %4zu  loss %.6f\n", gm_trainer_steps(t), loss[99]);
	if (!ok)
		fprintf(stderr, "%s", ctx ? gm_errors(ctx) : "no context\n");
	free(text);
	gm_trainer_free(t);
	gm_model_free(gradient);
	gm_model_free(m);
	gm_ctx_free(ctx);
	return !ok;
}
